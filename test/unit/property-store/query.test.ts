/** Queries of a property store: which properties, with which tags, in which order, and what is refused. */
import { describe, expect, test } from 'vitest';
import type { Tag, TagValue } from '../../../src/property/property.ts';
import { checkCondition, matches, type Operator } from '../../../src/property-store/criteria.ts';
import type { StoreQuery } from '../../../src/property-store/query-shards.ts';
import { type MadeStore, makeStore, replicasOf, sent } from '../../support/made-store.ts';
import { MemoryShardCopy } from '../../support/memory-shard-copy.ts';
import { makeVersion } from '../../support/versions.ts';

const everything: StoreQuery = {
  ...{ groups: ['g'], name: null, ids: [], criteria: null, projection: [], limit: 100, order: null },
};

const int = (value: number): TagValue => ({ kind: 'int', value: BigInt(value) });
const str = (value: string): TagValue => ({ kind: 'str', value });
const strs = (...value: string[]): TagValue => ({ kind: 'strArray', value });
const ints = (...value: number[]): TagValue => ({ kind: 'intArray', value: value.map(BigInt) });

describe('conditions', () => {
  const tags: Tag[] = [
    { key: 's', value: str('m') },
    { key: 'i', value: int(-5) },
    { key: 'l', value: strs('a', 'b') },
    { key: 'n', value: ints(1, 2) },
    { key: 't', value: { kind: 'timestamp', value: { seconds: 5n, nanos: 1 } } },
    { key: 'z', value: { kind: 'null' } },
    { key: 'u', value: null },
  ];
  test.each<[string, Operator, TagValue, boolean]>([
    ['s', 'EQ', str('m'), true],
    ['s', 'EQ', str('M'), false],
    ['s', 'NE', str('M'), true],
    ['s', 'MATCH', str('m'), true],
    ['s', 'MATCH', str('M'), false],
    ['absent', 'NE', str('m'), true],
    ['absent', 'EQ', str(''), false],
    ['u', 'EQ', str(''), false],
    ['i', 'EQ', str('-5'), false],
    ['i', 'LT', int(-4), true],
    ['i', 'LT', int(-5), false],
    ['i', 'LE', int(-5), true],
    ['i', 'GT', int(-50), true],
    ['i', 'GE', int(-4), false],
    ['absent', 'LT', int(9), false],
    ['s', 'GT', str('a'), true],
    ['s', 'GT', int(1), false],
    ['t', 'GT', { kind: 'timestamp', value: { seconds: 5n, nanos: 0 } }, true],
    ['l', 'HAVING', strs('b', 'a'), true],
    ['l', 'HAVING', strs('b', 'c'), false],
    ['l', 'HAVING', str('a'), true],
    ['n', 'HAVING', int(2), true],
    ['n', 'NOT_HAVING', ints(2, 3), true],
    ['absent', 'NOT_HAVING', str('a'), true],
    ['s', 'IN', strs('x', 'm'), true],
    ['i', 'IN', ints(1, -5), true],
    ['i', 'NOT_IN', ints(1, 2), true],
    ['z', 'IN', strs(''), false],
  ])('%#: %s %s', (tag, operator, value, expected) => {
    checkCondition({ tag, operator, value }, 'criteria.condition');
    expect(matches({ tag, operator, value }, tags)).toBe(expected);
  });

  test('every and some', () => {
    const yes = { tag: 's', operator: 'EQ', value: str('m') } as const;
    const no = { tag: 's', operator: 'EQ', value: str('x') } as const;
    expect(matches({ every: [yes, no] }, tags)).toBe(false);
    expect(matches({ some: [no, { every: [yes, yes] }] }, tags)).toBe(true);
  });

  test.each<[string, Operator, TagValue, string]>([
    ['', 'EQ', str('m'), 'name'],
    ['s', 'MATCH', strs('m'), 'value'],
    ['s', 'EQ', strs('m'), 'value'],
    ['s', 'EQ', { kind: 'null' }, 'value'],
    ['s', 'LT', { kind: 'binaryData', value: Buffer.of(1) }, 'value'],
    ['s', 'IN', str('m'), 'value'],
    ['s', 'HAVING', { kind: 'null' }, 'value'],
  ])('%#: %j %s is refused', (tag, operator, value, at) => {
    expect(() => checkCondition({ tag, operator, value }, 'criteria.condition')).toThrow(
      expect.objectContaining({
        code: 'bad-argument',
        details: expect.objectContaining({ field: `criteria.condition.${at}`, reason: expect.any(String) }),
      }),
    );
  });
});

describe('answers', () => {
  const answersOf =
    ({ store }: MadeStore) =>
    async (query: Partial<StoreQuery>): Promise<string[]> =>
      (await store.query({ ...everything, ...query })).properties.map(({ name, id }) => `${name}/${id}`);

  async function fill(): Promise<MadeStore> {
    const made = await makeStore({ settings: { shards: 3, slots: 32, spelling: 'compact' } });
    const { store } = made;
    for (let at = 0; at < 9; at += 1) {
      const property = sent(`e${at}`, { at, odd: at % 2 === 1 ? 'yes' : 'no' });
      await store.apply({ property, strategy: 'merge' });
    }
    await store.apply({ property: sent('e1', { other: 1 }, { name: 'm' }), strategy: 'merge' });
    await store.delete({ group: 'g', name: 'n', id: 'e8' });
    return made;
  }

  test('all, by name, by id, never what is deleted', async () => {
    const find = answersOf(await fill());
    expect(new Set(await find({}))).toEqual(
      new Set(['m/e1', ...[0, 1, 2, 3, 4, 5, 6, 7].map((at) => `n/e${at}`)]),
    );
    expect(await find({ name: 'm' })).toEqual(['m/e1']);
    expect((await find({ name: 'n', ids: ['e1', 'e1', 'e8', 'e7', 'none'] })).sort()).toEqual([
      'n/e1',
      'n/e7',
    ]);
    expect((await find({ ids: ['e1'] })).sort()).toEqual(['m/e1', 'n/e1']);
    expect(await find({ name: 'none' })).toEqual([]);
    expect(await find({ groups: ['g', 'g'], name: 'm' })).toEqual(['m/e1']);
  });

  test('by tags, at most so many, only the tags that are wanted', async () => {
    const made = await fill();
    const find = answersOf(made);
    const criteria = { tag: 'odd', operator: 'EQ', value: str('yes') } as const;
    expect((await find({ criteria })).sort()).toEqual(['n/e1', 'n/e3', 'n/e5', 'n/e7']);
    expect(await find({ criteria, limit: 3 })).toHaveLength(3);
    const { properties, steps } = await made.store.query({ ...everything, criteria, projection: ['odd'] });
    expect(properties.every(({ tags }) => tags.length === 1 && tags[0]?.key === 'odd')).toBe(true);
    expect(steps.map(({ shard }) => shard)).toEqual([0, 1, 2]);
    expect(steps.reduce((sum, { matched }) => sum + matched, 0)).toBe(4);
  });

  test('in the order of a tag, across shards; those without it come last', async () => {
    const find = answersOf(await fill());
    const order = { tag: 'at', descending: false };
    expect(await find({ order, limit: 3, projection: ['odd'] })).toEqual(['n/e0', 'n/e1', 'n/e2']);
    expect(await find({ order: { ...order, descending: true } })).toEqual([
      ...[7, 6, 5, 4, 3, 2, 1, 0].map((at) => `n/e${at}`),
      'm/e1',
    ]);
  });

  test.each<[Partial<StoreQuery>, string, string]>([
    [{ groups: [] }, 'bad-argument', 'groups'],
    [{ groups: ['other'] }, 'not-found', 'groups'],
    [{ order: { tag: '', descending: false } }, 'bad-argument', 'order_by.tag_name'],
    [{ ids: Array.from({ length: 10_001 }, String) }, 'bad-argument', 'ids'],
  ])('%# is refused', async (query, code, field) => {
    await expect(answersOf(await makeStore())(query)).rejects.toMatchObject({ code, details: { field } });
  });
});

test('an answer above its ceiling is refused, not cut', async () => {
  const { store } = await makeStore();
  const value = 'x'.repeat(900_000);
  await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      store.apply({ property: sent(`e${at}`, { at, value }), strategy: 'merge' }),
    ),
  );
  const order = { tag: 'at', descending: true };
  for (const query of [everything, { ...everything, order }])
    await expect(store.query(query)).rejects.toMatchObject({
      code: 'too-large',
      details: { field: 'limit' },
    });
  expect((await store.query({ ...everything, projection: ['at'] })).properties).toHaveLength(20);
  expect((await store.query({ ...everything, order, projection: ['at'] })).properties).toHaveLength(20);
  expect((await store.query({ ...everything, order, limit: 2 })).properties).toHaveLength(2);
});

test('a shard that is not held here is asked elsewhere for named ids, and otherwise refused with where it is', async () => {
  const copy = new MemoryShardCopy({ place: 'one' });
  copy.load([makeVersion({ id: 'a', revision: 5n }), makeVersion({ id: 'b', revision: 5n, deleteTime: 6n })]);
  const { store } = await makeStore({
    held: [{ group: 'other', shards: null }],
    replicas: replicasOf(copy),
  });
  const found = await store.query({ ...everything, name: 'n', ids: ['a', 'b', 'c'] });
  expect(found.properties.map(({ id }) => id)).toEqual(['a']);
  await expect(store.query(everything)).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringMatching(/not held here.*one/),
  });
});
