/**
 * What every shard copy promises, whatever it is made of: run by the tests of each implementation. Here what
 * is promised of views and of every call; fetch and apply are in shard-copy-live.contract.ts.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sourceDigest } from '../../src/property/digest.ts';
import { entityHash, slotOf } from '../../src/property/placement.ts';
import { DigestComposer } from '../../src/property/tree-digest.ts';
import type { ShardCopy, StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { makeVersion, spellVersion } from '../support/versions.ts';
import {
  allLeaves,
  applyAll,
  fetchAll,
  leavesOf,
  many,
  results,
  settings,
  type ShardCopyFixture,
  slotsOf,
} from './shard-copy-fixture.ts';
import { describeLiveContract } from './shard-copy-live.contract.ts';

export function describeShardCopyContract(
  name: string,
  makeFixture: () => ShardCopyFixture | Promise<ShardCopyFixture>,
): void {
  describe(`shard copy contract: ${name}`, () => {
    let fixture: ShardCopyFixture;
    let copy: ShardCopy;
    beforeEach(async () => {
      fixture = await makeFixture();
      ({ copy } = fixture);
    });
    afterEach(async () => await fixture.dispose());

    const load = async (versions: readonly StoredVersion[]): Promise<void> => {
      await fixture.load(versions);
      await fixture.build();
    };

    test('without a tree there is no view', async () => {
      await expect(copy.openView()).rejects.toMatchObject({ code: 'no-tree' });
    });

    test('an empty shard has a root of zero length, no slot and no leaf', async () => {
      await load([]);
      await using view = await copy.openView();
      expect(view.description).toMatchObject({
        group: 'g',
        shard: 0,
        leaves: 0,
        liveLeaves: 0,
        stale: false,
      });
      expect(view.description.root).toHaveLength(0);
      expect(await slotsOf(view)).toEqual([]);
      expect(await leavesOf(view, [])).toEqual([]);
      expect(await leavesOf(view, [0, 31])).toEqual([]);
    });

    test('one property', async () => {
      const version = makeVersion({ id: 'a/b c', revision: 10n });
      await load([version]);
      await using view = await copy.openView();
      const slot = slotOf(entityHash({ group: 'g', name: 'n', id: 'a/b c' }), 32);
      expect(view.description).toMatchObject({
        shards: 1,
        slotScheme: { hash: 'xxh64', seed: 0n, slots: 32 },
        spelling: 'compact',
        leaves: 1,
      });
      const { key, digest, revision, deleteTime } = version;
      expect(await leavesOf(view, [slot])).toEqual([
        { slot, leaves: [{ key, digest, revision, deleteTime }] },
      ]);
      expect(await leavesOf(view, [(slot + 1) % 32])).toEqual([]);
    });

    test('many: slots and leaves ascend, lie where placement says and compose to slot digests and root', async () => {
      const versions = [
        ...many(700),
        ...many(40).map((version) => ({
          ...version,
          deleteTime: 20n,
          digest: sourceDigest(version.source, 20n),
        })),
      ];
      await load(versions);
      await using view = await copy.openView();
      expect(view.description).toMatchObject({ leaves: 700, liveLeaves: 660 });
      const slots = await slotsOf(view);
      const found = await leavesOf(
        view,
        slots.map(({ slot }) => slot),
      );
      expect(found.map(({ slot }) => slot)).toEqual(slots.map(({ slot }) => slot));
      expect(slots.map(({ slot }) => slot)).toEqual([...slots.map(({ slot }) => slot)].sort((a, b) => a - b));
      const root = new DigestComposer();
      for (const [at, { slot, leaves }] of found.entries()) {
        const composer = new DigestComposer();
        for (const leaf of leaves) composer.update(leaf.digest);
        expect({ slot, digest: composer.finish(), leaves: leaves.length }).toEqual(slots[at]);
        expect([...leaves].sort((a, b) => Buffer.compare(a.key, b.key))).toEqual(leaves);
        root.update(slots[at]?.digest ?? Buffer.alloc(0));
      }
      expect(root.finish()).toEqual(view.description.root);
      const newest = new Map(versions.map((version) => [version.key.toString('latin1'), version]));
      const expected = [...newest.values()].map(({ key, digest, revision, deleteTime }) => ({
        key,
        digest,
        revision,
        deleteTime,
      }));
      const byKey = (a: { key: Buffer }, b: { key: Buffer }): number => Buffer.compare(a.key, b.key);
      expect(found.flatMap(({ leaves }) => leaves).sort(byKey)).toEqual(expected.sort(byKey));
    });

    test('leaves of chosen slots only, pages never crossing a slot border', async () => {
      await load(many(500));
      await using view = await copy.openView();
      for await (const page of view.leaves([3, 17, 30])) {
        expect(page.leaves.length).toBeGreaterThan(0);
        for (const { key } of page.leaves) {
          const id = key.toString('utf8', key.indexOf(0) + 1);
          expect(slotOf(entityHash({ group: 'g', name: 'n', id }), 32)).toBe(page.slot);
        }
      }
      expect((await leavesOf(view, [3, 17, 30])).map(({ slot }) => slot)).toEqual([3, 17, 30]);
    });

    test('a view stays as it was while versions are applied and trees built; a later one says stale', async () => {
      await load(many(50));
      await using view = await copy.openView();
      const before = await allLeaves(view);
      expect(results(await applyAll(copy, many(60, 11n)))).toEqual(
        Array.from({ length: 60 }, () => 'applied'),
      );
      await using late = await copy.openView();
      expect(late.description).toMatchObject({ stale: true, leaves: 50, root: view.description.root });
      await fixture.build();
      expect(await allLeaves(view)).toEqual(before);
      await using fresh = await copy.openView();
      expect(fresh.description).toMatchObject({ stale: false, leaves: 60 });
      expect(fresh.description.root).not.toEqual(view.description.root);
    });

    test('a view in another spelling has the digests of that spelling, and equal content the same root', async () => {
      await load(many(30));
      await using view = await copy.openView({ spelling: 'spaced' });
      expect(view.description.spelling).toBe('spaced');
      const expected = many(30).map((version) => spellVersion(version, 'spaced').digest.toString('hex'));
      expect((await allLeaves(view)).map(({ digest }) => digest.toString('hex')).sort()).toEqual(
        expected.sort(),
      );
    });

    test('a cancelled call ends as cancelled', async () => {
      await load(many(50));
      const signal = AbortSignal.abort();
      await using view = await copy.openView();
      const cancelled = { code: 'cancelled' };
      await expect(copy.openView({ signal })).rejects.toMatchObject(cancelled);
      await expect(Array.fromAsync(view.slots(signal))).rejects.toMatchObject(cancelled);
      await expect(Array.fromAsync(view.leaves([...Array(32).keys()], signal))).rejects.toMatchObject(
        cancelled,
      );
      await expect(
        Array.fromAsync(
          copy.fetch(
            many(3).map(({ key }) => key),
            signal,
          ),
        ),
      ).rejects.toMatchObject(cancelled);
      await using session = await copy.openApply({ settings, confirmed: null });
      await expect(session.apply(many(1, 99n), signal)).rejects.toMatchObject(cancelled);
      expect((await fetchAll(copy, [many(1)[0]!.key]))[0]?.version?.revision).toBe(10n);
    });

    test('views and sessions may be disposed twice', async () => {
      await load(many(5));
      const view = await copy.openView();
      await view[Symbol.asyncDispose]();
      await view[Symbol.asyncDispose]();
      const session = await copy.openApply({ settings, confirmed: null });
      await session.apply(many(1, 11n));
      await session[Symbol.asyncDispose]();
      await session[Symbol.asyncDispose]();
    });
  });
  describeLiveContract(name, makeFixture);
}
