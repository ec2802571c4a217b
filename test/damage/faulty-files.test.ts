/**
 * A disk that is full, or fails, at every file call in turn: a build, a repair, a kept plan and new settings end
 * with an error that says so, what was there stays whole, and with a good disk it goes on from there.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CodedError } from '../../src/lib/coded-error.ts';
import { changeSlots, readGroupSettings, treeDirectory } from '../../src/property-index/data-root.ts';
import { PlanFile } from '../../src/repair/plan-file.ts';
import { type RepairOptions, repairShards } from '../../src/repair/repair-shards.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { TreeDirectory } from '../../src/tree/tree-directory.ts';
import { setFileFault } from '../simulator/synchronous-files.ts';
import { naiveTree, readTree } from '../support/naive-tree.ts';
import { useSynchronousDisk } from '../support/synchronous-disk.ts';
import { ShardFixture } from '../support/shard-fixture.ts';
import { makeVersion } from '../support/versions.ts';

/** More calls than any of these make: a bound for a loop that ends by itself. */
const callsMax = 500;

const fixture = useSynchronousDisk();
let revision = 1n;

/** Runs `work` with the call of this number failing; true if it came to that call. `ended` hears how it ended. */
async function withFault(
  number: number,
  code: string,
  work: () => Promise<unknown>,
  ended: (error: unknown) => void,
): Promise<boolean> {
  let left = number;
  setFileFault(({ call, path }) => {
    if (left-- === 0)
      throw Object.assign(new Error(`${code}: ${call} '${path}'`), { code, syscall: call, path });
  });
  try {
    await work();
    ended(null);
  } catch (error) {
    ended(error);
  } finally {
    setFileFault(null);
  }
  return left < 0;
}

/** Fails each call of `work` in turn. */
async function everyFault(
  code: string,
  work: () => Promise<unknown>,
  check: (failed: boolean) => Promise<void>,
): Promise<number> {
  for (let number = 0; number < callsMax; number += 1) {
    let failed = false;
    const came = await withFault(number, code, work, (error) => {
      failed = error !== null;
      if (failed) expect(CodedError.from(error), `call ${number}`).toMatchObject({ code: 'io' });
    });
    await check(failed);
    if (!came) return number;
  }
  throw new Error('it does not end');
}

function build() {
  const { identity, settings, clock } = fixture();
  return buildTree({ identity, settings, clock });
}

async function newestRoot({ identity }: ShardFixture): Promise<string> {
  const directory = new TreeDirectory(treeDirectory(identity.root, 'g', 0));
  await using newest = await directory.openNewest((path, error) => expect.fail(`${path}: ${error.message}`));
  return newest === null ? 'none' : (await readTree(newest)).root;
}

async function change(): Promise<string> {
  revision += 1n;
  const versions = Array.from({ length: 20 }, (_, id) => makeVersion({ id: String(id), revision }));
  await fixture().apply(versions);
  return naiveTree(versions, 'g', fixture().settings.slots).root;
}

describe.each(['ENOSPC', 'EIO'])('%s at any file call', (code) => {
  test('of a build leaves the old tree or the new one, and the next build makes it', async () => {
    let [before, after] = [await change(), ''];
    await build();
    after = await change();
    const calls = await everyFault(code, build, async (failed) => {
      expect(failed ? [before, after] : [after]).toContain(await newestRoot(fixture()));
      await build();
      expect(await newestRoot(fixture())).toBe(after);
      const folder = treeDirectory(fixture().identity.root, 'g', 0);
      expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      [before, after] = [after, await change()];
    });
    expect(calls).toBeGreaterThan(10);
  });

  test('of a change of settings leaves the old ones or the new ones', async () => {
    const { root } = fixture().identity;
    let slots = 4;
    const calls = await everyFault(
      code,
      () => changeSlots(root, 'g', slots * 2),
      async (failed) => {
        const found = (await readGroupSettings(root, 'g'))?.slots;
        expect(failed ? [slots, slots * 2] : [slots * 2]).toContain(found);
        await changeSlots(root, 'g', 4);
        slots = 4;
      },
    );
    expect(calls).toBeGreaterThan(3);
  });

  test('of a repair or a kept plan changes nothing it does not tell, and running it again repairs', async () => {
    await build();
    await using other = await ShardFixture.create({ slots: 4 });
    const { clock } = fixture();
    const copies = [fixture(), other].map(({ identity }) => new LocalShardCopy({ ...identity, clock }));
    const targets = [{ group: 'g', shard: 0, copies }];
    const options: RepairOptions = { clock, spoolDirectory: fixture().identity.root };
    const planPath = join(fixture().identity.root, 'plan');
    const buildBoth = async (): Promise<void> => {
      await build();
      await buildTree({ identity: other.identity, settings: other.settings, clock });
    };
    await buildBoth();
    await everyFault(
      code,
      () => repairShards(targets, { ...options, dryRun: true, planPath }),
      async (failed) => {
        // A plan is there whole or not at all.
        if (!failed) await closePlan(await PlanFile.open(planPath));
        expect(other.totals().leaves).toBe(0);
      },
    );
    const calls = await everyFault(
      code,
      () => repairShards(targets, options),
      async () => {
        await repairShards(targets, options);
        await buildBoth();
        expect(await newestRoot(other)).toBe(await newestRoot(fixture()));
        await change();
        await buildBoth();
      },
    );
    expect(calls).toBeGreaterThan(3);
  });
});

async function closePlan(plan: PlanFile): Promise<void> {
  await plan[Symbol.asyncDispose]();
}
