/**
 * `npm run simulate -- [--seeds N] [--seed S] [--jobs J] [--verbose]`: simulates N seeds from S on in J processes (as
 * many as there are cores), prints how far it is to standard error and a summary to standard output; with --verbose also
 * how often each kind of fault occurred. Exit code 1 with the command that replays it where a promise was broken.
 */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Happenings } from './happenings.ts';
import { simulateMany } from './simulate-many.ts';
import { installSynchronousFiles } from './synchronous-files.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    jobs: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed ?? 1);
const seeds = Number(values.seeds ?? (values.seed === undefined ? 1_000 : 1));
const jobs = Number(values.jobs ?? Math.min(availableParallelism(), Math.ceil(seeds / 100)));
if (![first, seeds, jobs].every(Number.isSafeInteger) || seeds < 1 || jobs < 1) {
  throw new Error('usage: simulate [--seeds N] [--seed S] [--jobs J] [--verbose], all whole numbers');
}

/** Broken promises shown before giving up: they mostly have one cause. */
const violationsMax = 10;

const tellEveryMs = 2_000;

// A stack for each of many expected errors costs more than the errors; a replay of one seed has them.
if (seeds > 1) Error.stackTraceLimit = 0;
installSynchronousFiles();
const startedMs = performance.now();
const trace = createHash('sha256');
const happenings = new Happenings();
let [violations, steps, virtualMs, done, toldMs] = [0, 0, 0, 0, startedMs];
for await (const result of simulateMany({ first, seeds, jobs })) {
  done += 1;
  steps += result.steps;
  virtualMs += result.virtualMs;
  trace.update(result.trace);
  happenings.add(result.happened);
  if (result.violation !== null) {
    violations += 1;
    process.exitCode = 1;
    console.error(`seed ${result.seed}: ${result.violation.stack ?? result.violation.message}`);
    console.error(`replay it: npm run simulate -- --seed ${result.seed}`);
    if (violations === violationsMax) break;
  }
  if (performance.now() - toldMs > tellEveryMs) {
    toldMs = performance.now();
    const seconds = (toldMs - startedMs) / 1_000;
    console.error(
      `${done} of ${seeds} seeds, ${(done / seconds).toFixed(1)} a second, ` +
        `${Math.round(virtualMs / 1_000 / seconds)} virtual seconds in a second`,
    );
  }
}
if (values.verbose) {
  for (const [kind, times] of happenings.counts()) console.error(`${String(times).padStart(9)}  ${kind}`);
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
