/**
 * The power goes at every file call in turn, and later writes may be on the disk though earlier ones are not, any of
 * them torn. Opened again, a tree, the settings of a group and a plan are the old ones or the new ones, or refused by
 * their code; the work begun anew then ends as it should.
 */
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CodedError } from '../../src/lib/coded-error.ts';
import {
  changeSlots,
  createGroup,
  readGroupSettings,
  treeDirectory,
} from '../../src/property-index/data-root.ts';
import { PlanFile } from '../../src/repair/plan-file.ts';
import { repairShards } from '../../src/repair/repair-shards.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { TreeDirectory } from '../../src/tree/tree-directory.ts';
import { naiveTree, readTree } from '../support/naive-tree.ts';
import { PowerLoss, WatchedDisk } from '../support/power-loss.ts';
import { seededRandom, testSeed } from '../support/seeded-random.ts';
import { useSynchronousDisk } from '../support/synchronous-disk.ts';
import { ShardFixture } from '../support/shard-fixture.ts';
import { makeVersion } from '../support/versions.ts';

/** More calls than any of these make. */
const callsMax = 300;

/** What a disk holds is a matter of chance: so often for each call. */
const turns = 4;

const seed = testSeed();
const random = seededRandom(seed);
const fixture = useSynchronousDisk();
let revision = 1n;

/** Takes the power from `work` at each of its calls, and looks at what is left; `done` says whether `work` had ended. */
async function everyLoss(
  root: string,
  work: () => Promise<unknown>,
  look: (done: boolean) => Promise<void>,
): Promise<number> {
  for (let call = 0; call < callsMax; call += 1) {
    let lost = true;
    for (let turn = 0; turn < turns; turn += 1) {
      const disk = new WatchedDisk(root, call);
      await work().catch((error: unknown) => {
        if (!disk.lost) throw error;
        expect(CodedError.from(error).cause ?? error).toBeInstanceOf(PowerLoss);
      });
      lost = disk.lost;
      disk.restart(random);
      await look(!lost).catch((error: unknown) => {
        throw new Error(`seed ${seed}, power lost at call ${call}`, { cause: error });
      });
    }
    if (!lost) return call;
  }
  throw new Error('it does not end');
}

function build() {
  const { identity, settings, clock } = fixture();
  return buildTree({ identity, settings, clock });
}

/** A damaged newest file is passed over, as every reader does. */
async function newestRoot(): Promise<string> {
  const directory = new TreeDirectory(treeDirectory(fixture().identity.root, 'g', 0));
  await using newest = await directory.openNewest(() => undefined);
  return newest === null ? 'none' : (await readTree(newest)).root;
}

async function change(): Promise<string> {
  revision += 1n;
  const versions = Array.from({ length: 20 }, (_, id) => makeVersion({ id: String(id), revision }));
  await fixture().apply(versions);
  return naiveTree(versions, 'g', fixture().settings.slots).root;
}

test('a tree is the old one or the new one', async () => {
  let [before, after] = [await change(), ''];
  await build();
  after = await change();
  const calls = await everyLoss(fixture().identity.root, build, async (done) => {
    expect(done ? [after] : [before, after]).toContain(await newestRoot());
    await build();
    expect(await newestRoot()).toBe(after);
    [before, after] = [after, await change()];
  });
  expect(calls).toBeGreaterThan(10);
});

test('settings are the old ones or the new ones', async () => {
  const { root } = fixture().identity;
  const calls = await everyLoss(
    root,
    () => changeSlots(root, 'g', 8),
    async (done) => {
      expect(done ? [8] : [4, 8]).toContain((await readGroupSettings(root, 'g'))?.slots);
      await changeSlots(root, 'g', 4);
    },
  );
  expect(calls).toBeGreaterThan(3);
});

test('a group is there with its settings or not at all', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tallystick-power-'));
  const settings = { shards: 1, slots: 4, spelling: 'compact' } as const;
  await everyLoss(
    root,
    () => createGroup(root, 'g', settings),
    async (done) => {
      expect(done ? [settings] : [null, settings]).toContainEqual(await readGroupSettings(root, 'g'));
      await createGroup(root, 'g', settings);
      expect(await readGroupSettings(root, 'g')).toEqual(settings);
      await rm(join(root, 'data'), { recursive: true });
    },
  );
  await rm(root, { recursive: true });
});

test('a plan is whole, or it is refused', async () => {
  await using other = await ShardFixture.create({ slots: 4 });
  const { clock } = fixture();
  await change();
  await build();
  await buildTree({ identity: other.identity, settings: other.settings, clock });
  const copies = [fixture(), other].map(({ identity }) => new LocalShardCopy({ ...identity, clock }));
  const folder = join(fixture().identity.root, 'plans');
  mkdirSync(folder);
  const planPath = join(folder, 'plan');
  const targets = [{ group: 'g', shard: 0, copies }];
  let whole = 0;
  await everyLoss(
    folder,
    () => repairShards(targets, { clock, spoolDirectory: folder, dryRun: true, planPath }),
    async (done) => {
      try {
        await using plan = await PlanFile.open(planPath);
        whole += Number(plan !== null);
      } catch (error) {
        expect(done).toBe(false);
        expect(['bad-plan', 'io', 'not-found']).toContain(CodedError.from(error).code);
      }
      await rm(folder, { recursive: true });
      mkdirSync(folder);
    },
  );
  expect(whole).toBeGreaterThan(0);
  expect(other.totals().leaves).toBe(0);
});
