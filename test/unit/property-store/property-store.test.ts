/** Writes of a property store: what they make of what is there, what they are stamped with, what is refused. */
import { renameSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CodedError } from '../../../src/lib/coded-error.ts';
import { parseSource } from '../../../src/property/source-json.ts';
import { databasePath, readGroupSettings } from '../../../src/property-index/data-root.ts';
import { IndexReader } from '../../../src/property-index/index-reader.ts';
import { declareGroups } from '../../../src/property-store/groups.ts';
import { readRevisionMax } from '../../../src/property-store/check-write.ts';
import { type MadeStore, makeStore, oneShard, plainTags, sent } from '../../support/made-store.ts';

const entity = { group: 'g', name: 'n', id: 'a' };

function newest({ versions }: MadeStore, id = 'a') {
  const found = versions().find(({ source }) => parseSource(source).id === id);
  return found && { ...found, property: parseSource(found.source) };
}

describe('what a write makes of what is there', () => {
  test('merging keeps the tags that are not written, replacing does not', async () => {
    const made = await makeStore();
    const { store } = made;
    const first = await store.apply({ property: sent('a', { x: 'one', y: 2 }), strategy: 'merge' });
    expect(first).toMatchObject({ created: true, tags: 2 });
    const merged = await store.apply({ property: sent('a', { y: 3, z: 'new' }), strategy: 'merge' });
    expect(merged).toMatchObject({ created: false, tags: 3 });
    const after = newest(made)?.property;
    expect(after?.tags.map(({ key }) => key)).toEqual(['y', 'z', 'x']);
    expect(after && plainTags(after)).toEqual({ x: 'one', y: 3n, z: 'new' });
    expect(after).toMatchObject({ createRevision: first.revision, modRevision: merged.revision });
    const replaced = await store.apply({ property: sent('a', { q: 1 }), strategy: 'replace' });
    expect(replaced).toMatchObject({ created: false, tags: 1 });
    expect(newest(made)?.property).toMatchObject({ createRevision: first.revision });
  });

  test('what the writer says of createRevision and updatedAt does not count', async () => {
    const made = await makeStore();
    const property = sent('a', { x: 1 }, { createRevision: 5n, updatedAt: { seconds: 1n, nanos: 2 } });
    const { revision } = await made.store.apply({ property, strategy: 'merge' });
    expect(newest(made)?.property).toMatchObject({
      createRevision: revision,
      updatedAt: { seconds: revision / 1_000_000_000n, nanos: Number(revision % 1_000_000_000n) },
    });
  });

  test('a delete is a version; after it a write begins anew', async () => {
    const made = await makeStore();
    const { store } = made;
    expect(await store.delete(entity)).toBe(false);
    const { revision } = await store.apply({ property: sent('a', { x: 1 }), strategy: 'merge' });
    expect(await store.delete(entity)).toBe(true);
    expect(newest(made)).toMatchObject({ revision, deleteTime: expect.any(BigInt) });
    expect(newest(made)?.deleteTime).not.toBe(0n);
    expect(await store.delete(entity)).toBe(false);
    const again = await store.apply({ property: sent('a', { y: 1 }), strategy: 'merge' });
    expect(again).toMatchObject({ created: true, tags: 1 });
    expect(newest(made)?.property.createRevision).toBe(again.revision);
  });

  test('of a hundred writers that merge at once none loses its tag, and they share transactions', async () => {
    const made = await makeStore();
    const writes = Array.from({ length: 100 }, (_, at) =>
      made.store.apply({ property: sent('a', { [`t${at}`]: at }), strategy: 'merge' }),
    );
    const written = await Promise.all(writes);
    expect(newest(made)?.property.tags).toHaveLength(100);
    expect(written.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(written.map(({ revision }) => revision)).size).toBe(100);
    using reader = new IndexReader({ root: made.root, group: 'g', shard: 0 });
    expect(Number(reader.totals().watermark.sequence)).toBeLessThan(10);
  });

  test('a write that cannot be stored fails alone', async () => {
    const made = await makeStore();
    const { store } = made;
    const large = 'x'.repeat(700_000);
    await store.apply({ property: sent('a', { x: large }), strategy: 'merge' });
    const results = await Promise.allSettled([
      store.apply({ property: sent('b', { x: 1 }), strategy: 'merge' }),
      store.apply({ property: sent('a', { y: large }), strategy: 'merge' }),
      store.apply({ property: sent('c', { x: 1 }), strategy: 'merge' }),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'bad-argument' } });
    expect(made.versions()).toHaveLength(3);
  });

  test('a database that was put in the place of another is written to, not the one that is gone', async () => {
    const made = await makeStore();
    const { store, root } = made;
    await store.apply({ property: sent('a', { x: 1 }), strategy: 'merge' });
    const path = databasePath(root, 'g', 0);
    for (const suffix of ['', '-wal', '-shm']) renameSync(path + suffix, `${path}.gone${suffix}`);
    await store.apply({ property: sent('b', { x: 1 }), strategy: 'merge' });
    expect(made.versions().map(({ source }) => parseSource(source).id)).toEqual(['b']);
  });
});

describe('stamping', () => {
  test('a slow clock never makes a write that loses to what the shard has seen', async () => {
    const made = await makeStore();
    const { store, clock } = made;
    const { revision } = await store.apply({ property: sent('a', { x: 1 }), strategy: 'merge' });
    clock.offsetMs = -3_600_000;
    expect((await store.apply({ property: sent('b', { x: 1 }), strategy: 'merge' })).revision).toBe(
      revision + 1n,
    );
    const behind = made.events.filter(([name]) => name === 'clockBehind').map(([, ns]) => ns);
    expect(behind[0]).toBe(0n);
    expect(Number(behind[1])).toBeGreaterThan(3_599e9);
  });

  test('nor to what its author has read elsewhere', async () => {
    const { store, clock } = await makeStore();
    const read = clock.nowNs() + 3_600_000_000_000n;
    const property = sent('a', { x: 1 }, { modRevision: read });
    expect((await store.apply({ property, strategy: 'merge' })).revision).toBe(read + 1n);
    expect((await store.apply({ property, strategy: 'merge' })).revision).toBe(read + 2n);
  });

  test('a writer cannot use up the revisions', async () => {
    const { store } = await makeStore();
    const write = (modRevision: bigint) =>
      store.apply({ property: sent('a', { x: 1 }, { modRevision }), strategy: 'merge' });
    await expect(write(readRevisionMax + 1n)).rejects.toMatchObject({
      code: 'bad-argument',
      details: { field: 'property.metadata.modRevision' },
    });
    await write(readRevisionMax);
    expect((await write(0n)).revision).toBe(readRevisionMax + 2n);
  });
});

describe('what is refused', () => {
  test.each([
    [sent('', { x: 1 }), 'property.id'],
    [sent('a', { x: 1 }, { name: '' }), 'property.metadata.name'],
    [sent('a', { x: 1 }, { name: 'a/b' }), 'property.metadata.name'],
    [sent('a', { x: 1 }, { group: '' }), 'property.metadata.group'],
    [sent('a', { x: 1 }, { group: '..' }), 'property.metadata.group'],
    [sent('a', {}), 'property.tags'],
    [sent('a', { '': 1 }), 'property.tags[0].key'],
    [sent('a', { x: 1 }, { modRevision: -1n }), 'property.metadata.modRevision'],
    [sent('a'.repeat(9_000), { x: 1 }), 'property.id'],
  ])('%#: %s', async (property, field) => {
    const { store, events } = await makeStore();
    const error = await store.apply({ property, strategy: 'merge' }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'bad-argument',
      details: { field, reason: expect.stringMatching(/\w/), problems: [{ field }] },
    });
    expect(events).toEqual([['called', 'apply', 'bad-argument']]);
  });

  test('a property above its ceiling', async () => {
    const { store } = await makeStore();
    const property = sent('a', { x: 'x'.repeat(1_100_000) });
    await expect(store.apply({ property, strategy: 'merge' })).rejects.toMatchObject({
      code: 'too-large',
      details: { field: 'property', ceiling: 1_048_576 },
    });
  });

  test('an unknown group, with what would help', async () => {
    const { store } = await makeStore();
    const property = sent('a', { x: 1 }, { group: 'other' });
    const expected = {
      code: 'not-found',
      message: expect.stringMatching(/no group other; there are g\. .*settings/),
    };
    await expect(store.apply({ property, strategy: 'merge' })).rejects.toMatchObject(expected);
    await expect(store.delete({ ...entity, group: 'other' })).rejects.toMatchObject(expected);
    await expect(store.delete({ ...entity, id: '' })).rejects.toMatchObject({ details: { field: 'id' } });
  });

  test('a signal takes back a write that waits', async () => {
    const made = await makeStore();
    const gone = new AbortController();
    const write = made.store.apply({ property: sent('a', { x: 1 }), strategy: 'merge' }, gone.signal);
    await Promise.resolve();
    gone.abort(new CodedError('cancelled', 'who wrote has gone'));
    await expect(write).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('writes to a store that is closed', async () => {
    const { store } = await makeStore();
    await store[Symbol.asyncDispose]();
    await expect(store.apply({ property: sent('a', { x: 1 }), strategy: 'merge' })).rejects.toMatchObject({
      code: 'busy',
    });
  });
});

describe('declared groups', () => {
  const declared = { group: 'g', ...oneShard };

  test('are made where they are not, and left alone where they are the same', async () => {
    const { root } = await makeStore();
    await declareGroups(root, [declared, { ...declared, group: 'new', shards: 4 }]);
    expect(await readGroupSettings(root, 'new')).toEqual({ ...oneShard, shards: 4 });
  });

  test.each([{ shards: 2 }, { slots: 64 }, { spelling: 'spaced' as const }])(
    'are refused where they are there with other settings than %j',
    async (other) => {
      const { root } = await makeStore();
      const [field = ''] = Object.keys(other);
      await expect(declareGroups(root, [{ ...declared, ...other }])).rejects.toMatchObject({
        code: 'bad-settings',
        message: expect.stringMatching(/declare group g with \w+ \w+, but in .* it has \w+/),
        details: { field: `groups.g.${field}` },
      });
      expect(await readGroupSettings(root, 'g')).toEqual(oneShard);
    },
  );
});
