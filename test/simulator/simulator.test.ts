/** Clusters under the simulator, some hundreds each time; `npm run simulate` runs as many as wanted. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testSeed } from '../support/seeded-random.ts';
import { type Happening, Happenings } from './happenings.ts';
import { simulateSeed } from './simulate-seed.ts';
import { installSynchronousFiles } from './synchronous-files.ts';

/** Seeds of one test run; they begin elsewhere each time. */
const seeds = 200;

/** Seeds after which every kind of fault has occurred, by far. */
const seedsMax = 600;

/** Takes an exact moment between a question and a push: one seed in thousands. */
const rare: ReadonlySet<Happening> = new Set(['push overtaken by a delete']);

let uninstall = (): void => undefined;
beforeAll(() => {
  uninstall = installSynchronousFiles();
});
afterAll(() => uninstall());

test('whatever happens to a cluster, nothing is lost, undone or wrongly called equal, and it converges', async () => {
  const first = testSeed();
  console.log(`seed ${first}`);
  const happenings = new Happenings();
  const missing = (): Happening[] =>
    happenings.counts().flatMap(([kind, times]) => (times > 0 || rare.has(kind) ? [] : [kind]));
  for (let seed = first; seed < first + seedsMax; seed += 1) {
    // A fault that never occurs proves nothing.
    if (seed >= first + seeds && missing().length === 0) break;
    const { violation, happened } = await simulateSeed(seed);
    if (violation !== null)
      throw new Error(`replay it: npm run simulate -- --seed ${seed}`, { cause: violation });
    happenings.add(happened);
  }
  expect(missing()).toEqual([]);
}, 600_000);

test('the same seed gives the same history, also in another process, and however many there are', async () => {
  // Among these are seeds over real databases and tree files, over the wire, with BanyanDB nodes, and with property stores
  // of replicas and of machines that hold nothing.
  const first = 82;
  const summaries = ['1', '2'].map((jobs) => {
    const { stdout, status } = spawnSync(
      process.execPath,
      [
        join(import.meta.dirname, 'simulate.ts'),
        ...['--seeds', '20', '--seed', String(first), '--jobs', jobs],
      ],
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
