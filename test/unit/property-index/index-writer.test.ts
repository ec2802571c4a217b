/** Writing into a property index: the total order decides whoever speaks first, and counts and watermark keep up. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { entityKey } from '../../../src/property/entity.ts';
import { EncodedVersion } from '../../../src/property/encoded-version.ts';
import { parseSource } from '../../../src/property/source-json.ts';
import { compareVersions, type StoredVersion } from '../../../src/property/version.ts';
import { IndexReader } from '../../../src/property-index/index-reader.ts';
import { prepareIncoming } from '../../../src/property-index/prepare-version.ts';
import { Snapshot } from '../../../src/property-index/snapshot.ts';
import { seededRandom, testSeed } from '../../support/seeded-random.ts';
import { ShardFixture, unstamped } from '../../support/shard-fixture.ts';
import { makeVersion } from '../../support/versions.ts';

let fixture: ShardFixture;
beforeEach(async () => {
  fixture = await ShardFixture.create();
});
afterEach(() => fixture[Symbol.asyncDispose]());

const get = (name: string, id: string) => fixture.read((reader) => reader.get(entityKey({ name, id })));

function permutations<T>(from: readonly T[]): T[][] {
  if (from.length === 0) return [[]];
  return from.flatMap((first, at) => permutations(from.toSpliced(at, 1)).map((rest) => [first, ...rest]));
}

describe('apply', () => {
  // The same revision live and deleted twice, other content of it, an older and a newer one.
  const ofEntity = (id: string): StoredVersion[] => [
    makeVersion({ id, revision: 5n }),
    makeVersion({ id, revision: 5n, value: 'other' }),
    makeVersion({ id, revision: 5n, deleteTime: 7n }),
    makeVersion({ id, revision: 5n, deleteTime: 9n, value: 'other' }),
    makeVersion({ id, revision: 4n, deleteTime: 100n }),
  ];

  test('leaves the greatest version whatever the order, one by one or in a batch', async () => {
    using writer = fixture.writer();
    const orders = permutations([0, 1, 2, 3, 4]);
    expect(orders.length).toBe(120);
    for (const [at, order] of orders.entries()) {
      const versions = ofEntity(String(at));
      const greatest = versions.toSorted(compareVersions).at(-1)!;
      const batch = order
        .map((index) => prepareIncoming(versions[index]!, writer.target))
        .filter((prepared) => typeof prepared !== 'string');
      if (at % 2 === 0) await writer.apply(batch);
      else for (const prepared of batch) await writer.apply([prepared]);
      expect(get('n', String(at))).toEqual(greatest);
    }
    expect(fixture.totals()).toMatchObject({ leaves: 120, live: 0 });
  });

  test('refuses bytes that would be read as another text, though their digest is of that text', () => {
    using writer = fixture.writer();
    const version = makeVersion({ id: '1', revision: 1n, value: 'a\ufffdb' });
    const bytes = Buffer.from(version.source.replace('\ufffd', '\u0000'));
    bytes[bytes.indexOf(0)] = 0xff;
    const { key, revision, deleteTime, digest } = version;
    const damaged = new EncodedVersion({ key, revision, deleteTime, digest, bytes, digested: false });
    expect(damaged.source).toBe(version.source);
    expect(prepareIncoming(version, writer.target)).toMatchObject({ source: Buffer.from(version.source) });
    expect(prepareIncoming(damaged, writer.target)).toBe('its source is not UTF-8');
  });

  test('keeps counts and content as a model does, over random batches', async () => {
    const seed = testSeed();
    const random = seededRandom(seed);
    const model = new Map<string, StoredVersion>();
    for (let round = 0; round < 150; round += 1) {
      const batch = Array.from({ length: 1 + random.below(8) }, () =>
        makeVersion({
          id: String(random.below(12)),
          revision: BigInt(random.below(6)),
          deleteTime: random.chance(0.4) ? BigInt(1 + random.below(3)) : 0n,
          value: random.pick(['a', 'b']),
        }),
      );
      const wanted = batch.map((version) => {
        const key = version.key.toString('hex');
        const before = model.get(key);
        if (before !== undefined && compareVersions(version, before) <= 0) return 'kept';
        model.set(key, version);
        return 'applied';
      });
      const before = fixture.totals();
      expect(await fixture.apply(batch), `seed ${seed}, round ${round}`).toEqual(wanted);
      const after = fixture.totals();
      const live = [...model.values()].filter(({ deleteTime }) => deleteTime === 0n).length;
      expect(after, `seed ${seed}, round ${round}`).toMatchObject({ leaves: model.size, live });
      const changed = wanted.includes('applied');
      expect(after.watermark.sequence - before.watermark.sequence).toBe(changed ? 1n : 0n);
      expect(after.watermark.token !== before.watermark.token).toBe(changed);
    }
    const stored = fixture.read((reader) => reader.query({ deleted: true }));
    expect(stored).toEqual([...model.values()].toSorted((a, b) => Buffer.compare(a.key, b.key)));
  });

  test('asks before a live property is replaced, and withholds where the answer is no', async () => {
    await fixture.apply([
      makeVersion({ id: '1', revision: 1n }),
      makeVersion({ id: '2', revision: 1n, deleteTime: 1n }),
    ]);
    const before = fixture.totals();
    using writer = fixture.writer();
    const batch = ['1', '2', '3'].map((id) =>
      prepareIncoming(makeVersion({ id, revision: 2n, deleteTime: 3n }), writer.target),
    );
    let asked = 0;
    const mayReplaceLive = () => {
      asked += 1;
      return false;
    };
    const prepared = batch.filter((one) => typeof one !== 'string');
    expect(await writer.apply([prepared[0]!], { mayReplaceLive })).toEqual(['withheld']);
    expect(fixture.totals()).toEqual(before);
    expect(await writer.apply(prepared, { mayReplaceLive })).toEqual(['withheld', 'applied', 'applied']);
    expect(asked).toBe(2);
    expect(fixture.totals()).toMatchObject({ leaves: 3, live: 1 });
  });

  test('that fails or is cancelled changes nothing', async () => {
    const before = fixture.totals();
    using writer = fixture.writer();
    const prepared = prepareIncoming(makeVersion({ id: '1', revision: 1n }), writer.target);
    const fine = typeof prepared === 'string' ? expect.fail(prepared) : prepared;
    const broken = { ...fine, key: Buffer.from('n\x002'), placement: null as unknown as Buffer };
    await expect(writer.apply([fine, broken])).rejects.toMatchObject({ code: 'io' });
    const signal = AbortSignal.abort();
    await expect(writer.apply([fine], { signal })).rejects.toMatchObject({ code: 'cancelled' });
    expect(fixture.totals()).toEqual(before);
    expect(await writer.apply([fine])).toEqual(['applied']);
  });
});

describe('put', () => {
  test('stamps with the clock, and above all that was seen where the clock is slow', async () => {
    await fixture.put([unstamped('n', '1')]);
    const now = fixture.clock.nowNs();
    expect(get('n', '1')).toMatchObject({ revision: now, deleteTime: 0n });
    await fixture.put([unstamped('n', '1'), unstamped('n', '2')]);
    expect(get('n', '1')?.revision).toBe(now + 1n);
    expect(get('n', '2')?.revision).toBe(now + 2n);
    const far = now * 2n;
    await fixture.apply([makeVersion({ id: '3', revision: far, deleteTime: 1n })]);
    await fixture.put([unstamped('n', '2')]);
    expect(get('n', '2')?.revision).toBe(far + 1n);
    fixture.clock.wallMs *= 3;
    await fixture.put([unstamped('n', '2')]);
    expect(get('n', '2')?.revision).toBe(fixture.clock.nowNs());
  });

  test('refuses to go beyond the greatest revision there is', async () => {
    await fixture.apply([makeVersion({ id: '1', revision: 2n ** 63n - 1n })]);
    await expect(fixture.put([unstamped('n', '2')])).rejects.toMatchObject({
      code: 'refused',
      details: { group: 'g', shard: 0 },
    });
    expect(fixture.totals().leaves).toBe(1);
  });

  test('keeps the createRevision of the previous live version, and begins anew after a delete', async () => {
    await fixture.put([unstamped('n', '1')]);
    const first = get('n', '1')!.revision;
    await fixture.put([unstamped('n', '1', [['k', { kind: 'int', value: 1n }]])]);
    expect(parseSource(get('n', '1')!.source).createRevision).toBe(first);
    using writer = fixture.writer();
    await writer.delete({ group: 'g', name: 'n', id: '1' });
    await fixture.put([unstamped('n', '1')]);
    const again = get('n', '1')!;
    expect(again.deleteTime).toBe(0n);
    expect(parseSource(again.source).createRevision).toBe(again.revision);
    expect(fixture.totals()).toMatchObject({ leaves: 1, live: 1 });
  });

  test.each([
    ['of another group', { group: 'other' }],
    ['without id', { id: '' }],
    ['with a slash in its name', { name: 'a/b' }],
    ['too large an entity', { id: 'x'.repeat(9_000) }],
  ])('refuses a record %s and then writes nothing of the batch', async (_, change) => {
    const record = unstamped('n', '1');
    const wrong = { ...record, property: { ...record.property, ...change } };
    await expect(fixture.put([record, wrong])).rejects.toMatchObject({ code: 'bad-argument' });
    expect(fixture.totals()).toMatchObject({ leaves: 0, watermark: { sequence: 0n } });
  });
});

describe('delete', () => {
  test('makes a tombstone of the newest version, once', async () => {
    using writer = fixture.writer();
    const entity = { group: 'g', name: 'n', id: '1' };
    expect(await writer.delete(entity)).toBe(null);
    await fixture.put([unstamped('n', '1')]);
    const live = get('n', '1')!;
    const tombstone = await writer.delete(entity);
    expect(tombstone).toMatchObject({ revision: live.revision, deleteTime: fixture.clock.nowNs() });
    expect(get('n', '1')).toEqual({ ...live, ...tombstone });
    expect(fixture.totals()).toMatchObject({ leaves: 1, live: 0 });
    const before = fixture.totals();
    fixture.clock.wallMs += 1_000;
    expect(await writer.delete(entity)).toEqual(tombstone);
    expect(fixture.totals()).toEqual(before);
  });
});

describe('a snapshot', () => {
  test('stands still while writes go on, and a reader moves on', async () => {
    await fixture.apply([makeVersion({ id: '1', revision: 1n })]);
    using snapshot = new Snapshot(fixture.identity);
    using reader = new IndexReader(fixture.identity);
    await fixture.apply([makeVersion({ id: '1', revision: 2n }), makeVersion({ id: '2', revision: 1n })]);
    expect(snapshot.totals.leaves).toBe(1);
    const rows = [...snapshot.sourceRows()].flat();
    expect(rows.map(({ text }) => parseSource(text).modRevision)).toEqual([1n]);
    expect(reader.totals().leaves).toBe(2);
    expect(reader.get(entityKey({ name: 'n', id: '1' }))?.revision).toBe(2n);
  });

  test('gives the same leaves whatever is written between two pages', async () => {
    const made = (revision: bigint, count: number) =>
      Array.from({ length: count }, (_, index) => makeVersion({ id: `${index}`, revision }));
    await fixture.apply(made(1n, 3_000));
    using snapshot = new Snapshot(fixture.identity);
    const before = [...snapshot.leafRows()];
    const pages = [];
    for (const page of snapshot.leafRows()) {
      if (pages.push(page) === 1) await fixture.apply(made(2n, 3_100));
    }
    expect(pages).toEqual(before);
    expect(pages).toHaveLength(2);
  });

  test('gives pages of all keys in byte order', async () => {
    const versions = Array.from({ length: 4_500 }, (_, index) =>
      makeVersion({ id: `${index}`, revision: 1n }),
    );
    await fixture.apply(versions);
    using snapshot = new Snapshot(fixture.identity);
    const pages = [...snapshot.sourceRows()];
    const keys = pages.flat().map(({ entity_key }) => entity_key.toString('hex'));
    expect(keys).toEqual(versions.map(({ key }) => key.toString('hex')).toSorted());
    expect(Math.max(...pages.map(({ length }) => length))).toBeLessThanOrEqual(256);
    expect([...snapshot.leafRows()].length).toBe(3);
  });
});
