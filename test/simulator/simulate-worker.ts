/** A process that simulates the seeds it is sent and answers with what each came to. */
import { type SeedResult, simulateSeed } from './simulate-seed.ts';
import { installSynchronousFiles } from './synchronous-files.ts';

export interface SeedOrder {
  readonly first: number;
  readonly count: number;
}

// A stack for each of many expected errors costs more than the errors; a replay of one seed has them.
Error.stackTraceLimit = 0;
installSynchronousFiles();
process.on('message', async ({ first, count }: SeedOrder) => {
  const results: SeedResult[] = [];
  for (let seed = first; seed < first + count; seed += 1) results.push(await simulateSeed(seed));
  if (process.connected) process.send?.(results);
});
