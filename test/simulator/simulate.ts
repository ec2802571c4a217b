/**
 * `npm run simulate -- [--seeds N] [--seed S]`: simulates N seeds from S on, prints how far it is to standard
 * error and a summary to standard output; exit code 1 with the command that replays it where a promise was broken.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { simulateSeed } from './simulate-seed.ts';
import { installSynchronousFiles } from './synchronous-files.ts';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '1000' }, seed: { type: 'string' } },
});
const first = Number(values.seed ?? 1);
const seeds = Number(values.seed === undefined || process.argv.includes('--seeds') ? values.seeds : 1);
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(seeds) || seeds < 1) {
  throw new Error('usage: simulate [--seeds N] [--seed S], both whole numbers');
}

/** Broken promises shown before giving up: they mostly have one cause. */
const violationsMax = 10;

installSynchronousFiles();
const startedMs = performance.now();
const trace = createHash('sha256');
let [violations, steps, virtualMs, done, toldMs] = [0, 0, 0, 0, startedMs];
for (; done < seeds && violations < violationsMax; done += 1) {
  const result = await simulateSeed(first + done);
  steps += result.steps;
  virtualMs += result.virtualMs;
  trace.update(result.trace);
  if (result.violation !== null) {
    violations += 1;
    process.exitCode = 1;
    console.error(`seed ${result.seed}: ${result.violation.stack}`);
    console.error(`replay it: npm run simulate -- --seed ${result.seed}`);
  }
  if (performance.now() - toldMs > 2_000) {
    toldMs = performance.now();
    const seconds = (toldMs - startedMs) / 1_000;
    console.error(
      `${done + 1} of ${seeds} seeds, ${((done + 1) / seconds).toFixed(1)} a second, ` +
        `${Math.round(virtualMs / 1_000 / seconds)} virtual seconds in a second`,
    );
  }
}
const wallSeconds = (performance.now() - startedMs) / 1_000;
console.log(
  JSON.stringify({
    summary: {
      seeds: done,
      violations,
      steps,
      virtualSeconds: Math.round(virtualMs / 1_000),
      wallSeconds: Math.round(wallSeconds * 1_000) / 1_000,
      trace: trace.digest('hex'),
    },
  }),
);
