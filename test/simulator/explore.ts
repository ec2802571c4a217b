/**
 * `npm run explore [-- --seconds N]`: visits every schedule of three replicas with one and with two entities, as
 * deep as the time allows (600 s by default), both at once where there are cores for it; prints how many states there
 * were. Where a promise is broken it prints the shortest schedule that breaks it, and the exit code is 1.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Violation } from './invariants.ts';
import { SmallScope } from './small-scope.ts';
import { installSynchronousFiles } from './synchronous-files.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '600' }, entities: { type: 'string' } },
});
const seconds = Number(values.seconds);
const scopes = [1, 2];

/** Deeper than any time suffices for. */
const depthMax = 40;

async function explore(entities: number, limitMs: number): Promise<void> {
  const folder = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const scratch = fs.mkdtempSync(join(folder, 'tallystick-explore-'));
  const startedMs = performance.now();
  const outOfTime = (): boolean => performance.now() - startedMs > limitMs;
  try {
    const explored = await new SmallScope({ entities, depth: depthMax, outOfTime, scratch }).explore();
    const took = Math.round((performance.now() - startedMs) / 1_000);
    console.log(JSON.stringify({ explored: { entities, ...explored, seconds: took } }));
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

if (values.entities !== undefined || availableParallelism() < scopes.length) {
  // A stack for each copy that is cut off costs more than the rest of its repair.
  Error.stackTraceLimit = 0;
  installSynchronousFiles();
  const wanted = values.entities === undefined ? scopes : [Number(values.entities)];
  for (const entities of wanted) await explore(entities, (seconds * 1_000) / wanted.length);
} else {
  const ended = scopes.map(async (entities) => {
    const argv = ['--seconds', values.seconds, '--entities', String(entities)];
    const [code] = await once(fork(import.meta.filename, argv), 'exit');
    if (code !== 0) process.exitCode = 1;
  });
  await Promise.all(ended);
}
