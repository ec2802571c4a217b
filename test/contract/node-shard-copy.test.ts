/**
 * What the contract of shard copies promises, as far as a BanyanDB node can: its leaves tell no versions, it spells
 * as it does, and other content at equal revision and delete time cannot be pushed to it. On a model of a node.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sourceDigest } from '../../src/property/digest.ts';
import { entityKey } from '../../src/property/entity.ts';
import { entityHash, slotOf } from '../../src/property/placement.ts';
import { parseSource } from '../../src/property/source-json.ts';
import type { StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { makeVersion, spellVersion } from '../support/versions.ts';
import { NodeCopyFixture } from './node-copy-fixture.ts';
import {
  allLeaves,
  applyAll,
  fetchAll,
  leavesOf,
  many,
  results,
  settings,
  slotsOf,
} from './shard-copy-fixture.ts';

function isSpool(descriptor: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`).includes('/tallystick-');
  } catch {
    // Closed since it was listed.
    return false;
  }
}

describe('a BanyanDB node as a shard copy', () => {
  let model: NodeCopyFixture;
  beforeEach(async () => {
    model = await NodeCopyFixture.open({ everBuilt: false });
  });
  afterEach(async () => await model[Symbol.asyncDispose]());

  test('without a tree there is no view', async () => {
    await expect(model.copy.openView()).rejects.toMatchObject({ code: 'no-tree' });
  });

  test('an empty shard has a root of zero length, no slot and no leaf', async () => {
    model.node.everBuilt = true;
    await using view = await model.copy.openView();
    expect(view.description).toMatchObject({ group: 'g', shard: 0, shards: 1, leaves: 0, slotScheme: null });
    expect(view.description.root).toHaveLength(0);
    expect(await slotsOf(view)).toEqual([]);
    expect(await leavesOf(view, [0, 31])).toEqual([]);
  });

  test('many: slots and leaves are those of its tree, pages of whatever size', async () => {
    model.load(many(700));
    await using view = await model.copy.openView();
    const tree = model.shard.tree!;
    expect(view.description.root.toString('hex')).toBe(tree.root);
    expect(view.description).toMatchObject({
      leaves: 700,
      liveLeaves: null,
      spelling: null,
      generation: null,
    });
    expect(
      (await slotsOf(view)).map(({ slot, digest, leaves }) => [slot, digest.toString('hex'), leaves]),
    ).toEqual(tree.slots.map(({ slot, digest, leaves }) => [slot, digest, leaves.length]));
    expect((await allLeaves(view)).map(({ digest }) => digest.toString('hex'))).toEqual(
      tree.slots.flatMap(({ leaves }) => leaves.map(({ digest }) => digest)),
    );
    for (const { slot, leaves } of await leavesOf(view, [3, 17, 30])) {
      expect(leaves.every(({ revision, deleteTime }) => revision === null && deleteTime === null)).toBe(true);
      for (const { key } of leaves) {
        const id = key.toString('utf8', key.indexOf(0) + 1);
        expect(slotOf(entityHash({ group: 'g', name: 'n', id }), 32)).toBe(slot);
      }
    }
  });

  test('a tree that was read is not read again while it stands', async () => {
    model.load(many(50));
    for (let reading = 0; reading < 3; reading++) {
      await using view = await model.copy.openView();
      expect(view.description.leaves).toBe(50);
    }
    expect(model.served.requests.get('treeSlots')).toBe(1);
    model.load(many(51, 11n));
    await using view = await model.copy.openView();
    expect(view.description.leaves).toBe(51);
  });

  test('a view keeps its tree when the copy has read another, and when the copy is disposed', async () => {
    model.load(many(50));
    await using first = await model.copy.openView();
    model.load(many(51, 11n));
    await using second = await model.copy.openView();
    model.copy[Symbol.dispose]();
    expect(await allLeaves(first)).toHaveLength(50);
    expect(await allLeaves(second)).toHaveLength(51);
  });

  test('no descriptor is left of views that were closed', async () => {
    model.load(many(50));
    const open = (): number => readdirSync('/proc/self/fd').filter((fd) => isSpool(fd)).length;
    const before = open();
    for (let at = 0; at < 5; at++) {
      model.load(many(50 + at, 11n + BigInt(at)));
      await using _ = await model.copy.openView();
    }
    expect(open()).toBe(before + 1);
    model.copy[Symbol.dispose]();
    expect(open()).toBe(before);
  });

  test('it gives leaves in no other spelling', async () => {
    await expect(model.copy.openView({ spelling: 'compact' })).rejects.toMatchObject({
      code: 'spelling-differs',
    });
  });

  test('fetch answers in the order asked, absent ones and tombstones included, as the index is now', async () => {
    const dead = makeVersion({ id: 'dead', revision: 5n, deleteTime: 9n });
    const [a, b] = many(2);
    model.load([a!, dead]);
    await using _ = await model.copy.openView();
    model.shard.write(parseSource(b!.source));
    const absent = entityKey({ name: 'n', id: 'absent' });
    const last = entityKey({ name: 'n', id: 'nor this' });
    expect(await fetchAll(model.copy, [b!.key, absent, dead.key, a!.key, last])).toEqual([
      { key: b!.key, version: b },
      { key: absent, version: null },
      { key: dead.key, version: dead },
      { key: a!.key, version: a },
      { key: last, version: null },
    ]);
    expect(await fetchAll(model.copy, [])).toEqual([]);
  });

  test('fetch of thousands, most of them absent, from a node whose tree was never read', async () => {
    model.load(many(300));
    const keys = Array.from({ length: 2_500 }, (_, at) => entityKey({ name: 'n', id: `e${at}` }));
    const found = await fetchAll(model.copy, keys);
    expect(found.filter(({ version }) => version !== null)).toHaveLength(300);
    expect(found.map(({ key }) => key)).toEqual(keys);
  });

  test('apply follows the total order, is idempotent, and an older version never replaces', async () => {
    model.node.everBuilt = true;
    const at = (revision: bigint, deleteTime: bigint) => makeVersion({ id: 'x', revision, deleteTime });
    const ascending = [at(1n, 0n), at(2n, 0n), at(2n, 7n), at(2n, 8n), at(3n, 0n), at(4n, 5n)];
    for (const version of ascending) {
      expect(results(await applyAll(model.copy, [version, version]))).toEqual(['applied', 'kept']);
      expect(await fetchAll(model.copy, [version.key])).toEqual([{ key: version.key, version }]);
    }
    expect(results(await applyAll(model.copy, [...ascending].reverse()))).toEqual(
      ascending.map(() => 'kept'),
    );
    const top = ascending.at(-1)!;
    expect(await fetchAll(model.copy, [top.key])).toEqual([{ key: top.key, version: top }]);
  });

  test('the same content in another spelling is kept', async () => {
    model.load(many(3));
    expect(
      results(
        await applyAll(
          model.copy,
          many(3).map((version) => spellVersion(version, 'spaced')),
        ),
      ),
    ).toEqual(many(3).map(() => 'kept'));
  });

  test('what the node cannot take is held back and named; the rest is applied', async () => {
    model.load([makeVersion({ id: 'tied', revision: 10n, value: 'a' }), ...many(1)]);
    const source = (tag: string, id: string): StoredVersion => {
      const text = `{"metadata":{"group":"g","name":"n","modRevision":"10"},"id":"${id}","tags":[${tag}]}`;
      return {
        key: entityKey({ name: 'n', id }),
        revision: 10n,
        deleteTime: 0n,
        digest: sourceDigest(text, 0n),
        source: text,
      };
    };
    const tied = [...'bcdefghijklmnopq']
      .map((value) => makeVersion({ id: 'tied', revision: 10n, value }))
      .find(
        ({ digest }) =>
          Buffer.compare(digest, makeVersion({ id: 'tied', revision: 10n, value: 'a' }).digest) > 0,
      )!;
    const answers = await applyAll(model.copy, [
      source('{"key":"k","value":{"intArray":{}}}', 'ints'),
      source('{"key":"k"}', 'no-value'),
      source('{"key":"k","value":{}}', 'empty-value'),
      tied,
      { ...many(1)[0]!, digest: Buffer.alloc(64, 1) },
      makeVersion({ id: 'good', revision: 10n }),
    ]);
    expect(results(answers)).toEqual(['refused', 'refused', 'refused', 'refused', 'refused', 'applied']);
    const reasons = answers.map((answer) => (answer.result === 'refused' ? answer.reason : ''));
    expect(reasons[0]).toMatch(/empty array of integers/);
    expect(reasons[1]).toMatch(/no value/);
    expect(reasons[2]).toMatch(/no value/);
    expect(reasons[3]).toMatch(/same revision and delete time/);
    expect(model.served.requests.get('propertySync')).toBe(1);
  });

  test('what is older than deletes are kept is not brought to a node that lacks it, unless that is allowed', async () => {
    model.node.everBuilt = true;
    const now = BigInt(Date.now()) * 1_000_000n;
    const day = 86_400_000_000_000n;
    const versions = [
      makeVersion({ id: 'old', revision: now - 8n * day }),
      makeVersion({ id: 'old and deleted', revision: now - 8n * day, deleteTime: now - 7n * day }),
      makeVersion({ id: 'new', revision: now - 6n * day }),
    ];
    const careful = model.copyWith({ pushesPerSecond: 0 });
    const answers = await applyAll(careful, versions);
    expect(results(answers)).toEqual(['refused', 'applied', 'applied']);
    expect(answers[0]).toMatchObject({ reason: expect.stringMatching(/--bring-old/) as unknown });
    expect(results(await applyAll(model.copy, versions))).toEqual(['applied', 'kept', 'kept']);
  });

  test('the tree is built once, at the end of a session', async () => {
    model.node.everBuilt = true;
    const session = await model.copy.openApply({ settings, confirmed: null });
    await session.apply(many(100));
    await session.apply(many(300, 11n));
    expect(model.shard.tree).toBeNull();
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    expect(model.shard.tree?.slots.flatMap(({ leaves }) => leaves)).toHaveLength(300);
  });

  test('a session counts live properties that it replaces, unless it was confirmed', async () => {
    model.load(many(200));
    await using _ = await model.copy.openView();
    const answers = await applyAll(model.copy, many(150, 11n));
    expect(results(answers).filter((result) => result === 'applied')).toHaveLength(100);
    expect(answers.at(-1)).toMatchObject({
      result: 'refused',
      reason: expect.stringMatching(/^fuse/) as unknown,
    });
    await using confirmed = await model.copy.openApply({ settings, confirmed: 200 });
    expect(new Set(results(await confirmed.apply(many(200, 12n))))).toEqual(new Set(['applied']));
  });

  test('a cancelled call ends as cancelled and pushes nothing', async () => {
    model.load(many(5));
    const signal = AbortSignal.abort();
    const cancelled = { code: 'cancelled' };
    await expect(model.copy.openView({ signal })).rejects.toMatchObject(cancelled);
    await expect(Array.fromAsync(model.copy.fetch([many(1)[0]!.key], signal))).rejects.toMatchObject(
      cancelled,
    );
    await using session = await model.copy.openApply({ settings, confirmed: null });
    await expect(session.apply(many(1, 99n), signal)).rejects.toMatchObject(cancelled);
    expect(model.served.requests.get('propertySync')).toBeUndefined();
  });
});
