/**
 * `npm run explore [-- --seconds N]`: visits every schedule of three replicas with one and with two entities, as
 * deep as the time allows; prints how many states there were.
 */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SmallScope } from './small-scope.ts';
import { installSynchronousFiles } from './synchronous-files.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' } } });
const limitMs = (Number(values.seconds) * 1_000) / 2;

const folder = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const scratch = fs.mkdtempSync(join(folder, 'tallystick-explore-'));
installSynchronousFiles();
try {
  for (const entities of [1, 2]) {
    const startedMs = performance.now();
    const outOfTime = (): boolean => performance.now() - startedMs > limitMs;
    const explored = await new SmallScope({ entities, depth: 40, outOfTime, scratch }).explore();
    const seconds = Math.round((performance.now() - startedMs) / 1_000);
    console.log(JSON.stringify({ explored: { entities, ...explored, seconds } }));
  }
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
