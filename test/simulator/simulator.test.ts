/** Clusters under the simulator, some hundreds each time; `npm run simulate` runs as many as wanted. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testSeed } from '../support/seeded-random.ts';
import { simulateSeed } from './simulate-seed.ts';
import { installSynchronousFiles } from './synchronous-files.ts';

/** Seeds of one test run; they begin elsewhere each time. */
const seeds = 200;

let uninstall = (): void => undefined;
beforeAll(() => {
  uninstall = installSynchronousFiles();
});
afterAll(() => uninstall());

test('whatever happens to a cluster, nothing is lost, undone or wrongly called equal, and it converges', async () => {
  const first = testSeed();
  console.log(`seed ${first}`);
  for (let seed = first; seed < first + seeds; seed += 1) {
    const { violation } = await simulateSeed(seed);
    if (violation !== null)
      throw new Error(`replay it: npm run simulate -- --seed ${seed}`, { cause: violation });
  }
}, 120_000);

test('the same seed gives the same history, also in another process', async () => {
  // Among any twenty in a row is one over real databases and tree files.
  const first = 181;
  const summaries = Array.from({ length: 2 }, () => {
    const { stdout, status } = spawnSync(
      process.execPath,
      [join(import.meta.dirname, 'simulate.ts'), '--seeds', '20', '--seed', String(first)],
      { encoding: 'utf8' },
    );
    expect(status).toBe(0);
    const { summary } = JSON.parse(stdout.trim().split('\n').at(-1) as string);
    return { ...summary, wallSeconds: 0 };
  });
  expect(summaries[0]).toEqual(summaries[1]);
  expect(summaries[0]).toMatchObject({ seeds: 20, violations: 0 });
  const here = await simulateSeed(first);
  expect((await simulateSeed(first)).trace).toBe(here.trace);
}, 120_000);
