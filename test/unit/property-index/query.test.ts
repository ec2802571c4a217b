/** Queries of a property index: by name, ids, tags of every kind, in order, in pages. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseEntityKey } from '../../../src/property/entity.ts';
import type { TagValue } from '../../../src/property/property.ts';
import {
  idsMax,
  pageRowsMax,
  type PropertyQuery,
  type TagCondition,
  tagConditionsMax,
} from '../../../src/property-index/query.ts';
import { ShardFixture, unstamped } from '../../support/shard-fixture.ts';

const str = (value: string): TagValue => ({ kind: 'str', value });
const int = (value: bigint): TagValue => ({ kind: 'int', value });
const odd = '", \\ \u0000 \u2028 <&> é 😀 \u0001';

const records = [
  unstamped('t', 'str', [
    ['k', str('five')],
    ['other', str('x')],
  ]),
  unstamped('t', 'str-empty', [['k', str('')]]),
  unstamped('t', 'str-5', [['k', str('5')]]),
  unstamped('t', 'str-0', [['k', str('0')]]),
  unstamped('t', 'str-odd', [[odd, str(odd)]]),
  unstamped('t', 'int', [['k', int(5n)]]),
  unstamped('t', 'int-0', [['k', int(0n)]]),
  unstamped('t', 'int-min', [['k', int(-(2n ** 63n))]]),
  unstamped('t', 'int-max', [['k', int(2n ** 63n - 1n)]]),
  unstamped('t', 'strs', [['k', { kind: 'strArray', value: ['a', 'five', '', odd] }]]),
  unstamped('t', 'strs-none', [['k', { kind: 'strArray', value: [] }]]),
  unstamped('t', 'ints', [['k', { kind: 'intArray', value: [5n, 0n, 2n ** 63n - 1n] }]]),
  unstamped('t', 'null', [['k', { kind: 'null' }]]),
  unstamped('t', 'none', [['k', null]]),
  unstamped('t', 'empty', [['k', { kind: 'empty' }]]),
  unstamped('t', 'binary', [['k', { kind: 'binaryData', value: Buffer.from('five') }]]),
  unstamped('t', 'time', [['k', { kind: 'timestamp', value: { seconds: 5n, nanos: 0 } }]]),
  unstamped('t', 'bare'),
  unstamped('t-1', 'a'),
  unstamped('t\u0000', 'a'),
  unstamped('t\u0001', 'a'),
  unstamped('T', 'a'),
  unstamped('gone', 'a', [['k', str('five')]]),
];

let fixture: ShardFixture;
beforeAll(async () => {
  fixture = await ShardFixture.create();
  await fixture.put(records);
  using writer = fixture.writer();
  await writer.delete({ group: 'g', name: 'gone', id: 'a' });
});
afterAll(() => fixture[Symbol.asyncDispose]());

function found(query: PropertyQuery): string[] {
  const { limit: _, offset: __, order: ___, ...counted } = query;
  return fixture.read((reader) => {
    const properties = reader.query(query);
    if (query.limit === undefined && query.offset === undefined)
      expect(reader.count(counted)).toBe(properties.length);
    return properties.map(({ key }) => {
      const { name, id } = parseEntityKey('g', key);
      return `${name}/${id}`;
    });
  });
}

describe('a query by tag', () => {
  const cases: [string, TagCondition, string[]][] = [
    ['text', { key: 'k', value: 'five' }, ['t/str', 't/strs']],
    ['empty text', { key: 'k', value: '' }, ['t/str-empty', 't/strs']],
    ['text of digits', { key: 'k', value: '5' }, ['t/str-5']],
    ['text zero', { key: 'k', value: '0' }, ['t/str-0']],
    ['int', { key: 'k', value: 5n }, ['t/int', 't/ints']],
    ['zero', { key: 'k', value: 0n }, ['t/int-0', 't/ints']],
    ['the least int', { key: 'k', value: -(2n ** 63n) }, ['t/int-min']],
    ['the greatest int', { key: 'k', value: 2n ** 63n - 1n }, ['t/int-max', 't/ints']],
    ['null', { key: 'k', value: null }, ['t/null']],
    ['odd text of an odd key', { key: odd, value: odd }, ['t/str-odd']],
    ['odd text in an array', { key: 'k', value: odd }, ['t/strs']],
    ['the beginning of odd text', { key: odd, value: '", \\ ' }, []],
    ['a key that is nowhere', { key: 'K', value: 'five' }, []],
    ['a value that would break out of the text', { key: "k' OR 1=1 --", value: "' OR 1=1 --" }, []],
  ];
  test.each(cases)('finds %s', (_, condition, wanted) => {
    expect(found({ tags: [condition] })).toEqual(wanted);
  });

  test('finds what all conditions hold for, tombstones only if asked', () => {
    const five = { key: 'k', value: 'five' };
    expect(found({ tags: [five, { key: 'other', value: 'x' }] })).toEqual(['t/str']);
    expect(found({ tags: [five, { key: 'k', value: 'a' }] })).toEqual(['t/strs']);
    expect(found({ tags: [five], deleted: true })).toEqual(['gone/a', 't/str', 't/strs']);
  });

  test('takes as many conditions as it says', () => {
    const tags = Array.from({ length: tagConditionsMax }, () => ({ key: 'k', value: 'five' }));
    expect(found({ tags })).toEqual(['t/str', 't/strs']);
    const more = { tags: [...tags, { key: 'k', value: 'five' }] };
    expect(() => found(more)).toThrow(expect.objectContaining({ code: 'bad-argument' }));
  });
});

describe('a query by name and ids', () => {
  test('finds one name among names that begin alike', () => {
    expect(found({ name: 't' }).length).toBe(18);
    for (const name of ['t-1', 't\u0000', 't\u0001', 'T']) expect(found({ name })).toEqual([`${name}/a`]);
    expect(found({ name: 'nothing' })).toEqual([]);
  });

  test('finds ids, tombstones only if asked', () => {
    expect(found({ name: 't', ids: ['int', 'nothing', 'bare'] })).toEqual(['t/bare', 't/int']);
    expect(found({ name: 't', ids: [] })).toEqual([]);
    expect(found({ name: 'gone', ids: ['a'] })).toEqual([]);
    expect(found({ name: 'gone', ids: ['a'], deleted: true })).toEqual(['gone/a']);
  });

  test('takes as many ids as it says', () => {
    const ids = Array.from({ length: idsMax }, (_, index) => String(index));
    expect(found({ name: 't', ids })).toEqual([]);
    expect(() => found({ name: 't', ids: [...ids, 'int'] })).toThrow(
      expect.objectContaining({ code: 'bad-argument' }),
    );
    expect(() => found({ ids: ['1'] })).toThrow(expect.objectContaining({ code: 'bad-argument' }));
  });
});

describe('order and pages', () => {
  test('are by entity or revision, either way', () => {
    const byEntity = found({});
    expect(byEntity.length).toBe(22);
    expect(found({ order: { by: 'entity', descending: true } })).toEqual(byEntity.toReversed());
    const written = records.slice(0, -1).map(({ property }) => `${property.name}/${property.id}`);
    expect(found({ order: { by: 'revision' } })).toEqual(written);
    expect(found({ order: { by: 'revision', descending: true } })).toEqual(written.toReversed());
  });

  test('join to the whole', () => {
    const pages = [0, 5, 10, 15, 20, 25].map((offset) => found({ limit: 5, offset }));
    expect(pages.map(({ length }) => length)).toEqual([5, 5, 5, 5, 2, 0]);
    expect(pages.flat()).toEqual(found({}));
  });

  test.each([
    [{ limit: 0 }],
    [{ limit: 1.5 }],
    [{ limit: pageRowsMax + 1 }],
    [{ offset: -1 }],
    [{ offset: Number.NaN }],
    [{ offset: 1e300 }],
  ])('refuse %o', (query) => {
    expect(() => found(query)).toThrow(expect.objectContaining({ code: 'bad-argument' }));
  });
});
