/** Text search: partitions, long words, cancellation, and that it finds what a plain look at every property finds. */
import { afterEach, expect, test } from 'vitest';
import { entityKey } from '../../../src/property/entity.ts';
import { IndexReader } from '../../../src/property-index/index-reader.ts';
import { parseTextQuery, searchText } from '../../../src/property-index/text-search.ts';
import { foldText, wordsOf } from '../../../src/property-index/search-words.ts';
import { seededRandom, testSeed } from '../../support/seeded-random.ts';
import { ShardFixture } from '../../support/shard-fixture.ts';

const fixtures: ShardFixture[] = [];

afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture[Symbol.asyncDispose]();
});

async function shardOf(texts: readonly string[]): Promise<ShardFixture> {
  const fixture = await ShardFixture.create();
  fixtures.push(fixture);
  const records = texts.map((text, number) => ({
    property: {
      group: 'g',
      name: 'n',
      id: String(number).padStart(6, '0'),
      metadataId: 0,
      createRevision: 1n,
      modRevision: 1n,
      tags: [{ key: 'a', value: { kind: 'str', value: text } as const }],
      updatedAt: null,
    },
    deleteTime: 0n,
    stamped: true,
    createRevisionGiven: true,
    updatedAtGiven: true,
    spelling: null,
  }));
  await fixture.put(records);
  return fixture;
}

async function found(fixture: ShardFixture, text: string, signal?: AbortSignal): Promise<number[]> {
  const ids: number[] = [];
  using reader = new IndexReader(fixture.identity);
  for await (const { key } of searchText(reader, 'g', parseTextQuery(text), { signal })) {
    ids.push(Number(key.subarray(entityKey({ name: 'n', id: 'x' }).length - 1).toString()));
  }
  return ids;
}

test('every partition is searched, in key order', async () => {
  const fixture = await shardOf(
    Array.from({ length: 2_345 }, (_, number) => (number % 500 === 7 ? 'needle' : 'hay')),
  );
  expect(await found(fixture, 'needle')).toEqual([7, 507, 1007, 1507, 2007]);
});

test('long texts and long words are found, also where the index holds a part of them only', async () => {
  const long = 'x'.repeat(400_000);
  const fixture = await shardOf([
    `${long}a`,
    `${long}b`,
    `${'many words '.repeat(20_000)} last`,
    '日本'.repeat(50_000),
    'short',
  ]);
  expect(await found(fixture, 'xxxx')).toEqual([0, 1]);
  expect(await found(fixture, 'x'.repeat(900))).toEqual([0, 1]);
  expect(await found(fixture, `many last`)).toEqual([2]);
  expect(await found(fixture, '本日本日本日')).toEqual([3]);
  expect(await found(fixture, '本日本本')).toEqual([]);
  expect(await found(fixture, 'short')).toEqual([4]);
});

test('words that agree in what is indexed are told apart', async () => {
  const shared = 'abcdefghijklmnopqrstuvwxyzabcdefgh';
  const fixture = await shardOf([`${shared}1`, `${shared}2`]);
  expect(await found(fixture, `${shared}2`)).toEqual([1]);
  expect(await found(fixture, shared)).toEqual([0, 1]);
});

test('names that JavaScript objects have are words like others', async () => {
  const fixture = await shardOf(['constructor', 'toString __proto__', 'valueOf']);
  expect(await found(fixture, 'constructor')).toEqual([0]);
  expect(await found(fixture, '__proto__')).toEqual([1]);
  expect(await found(fixture, 'hasOwnProperty')).toEqual([]);
});

test('it finds what a look at every property finds', async () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  const syllables = [
    'ba',
    'Bá',
    'ko',
    '日',
    '本語',
    '😀',
    'ß',
    'ssa',
    '7',
    '42',
    '한',
    'x-y',
    'É',
    ' ',
    ' ',
    '/',
    '.',
  ];
  const text = () => Array.from({ length: 1 + random.below(8) }, () => random.pick(syllables)).join('');
  // A full partition and a begun one.
  const texts = Array.from({ length: 520 }, text);
  const fixture = await shardOf(texts);
  const held = texts.map((one, number) => [...wordsOf(`${one} g n a ${String(number).padStart(6, '0')}`)]);
  for (let turn = 0; turn < 50; turn += 1) {
    const asked = text();
    const words = [...wordsOf(asked)];
    if (words.length === 0) continue;
    const expected = held.flatMap((all, number) => {
      const holds = words.every(({ text: word, unspaced }) =>
        all.some(
          (other) =>
            other.unspaced === unspaced &&
            (unspaced ? other.text.includes(word) : other.text.startsWith(word)),
        ),
      );
      return holds ? [number] : [];
    });
    expect(await found(fixture, asked), `TALLYSTICK_SEED=${seed}: ${asked}`).toEqual(expected);
  }
});

test('a search is cancelled between partitions', async () => {
  const fixture = await shardOf(Array.from({ length: 1_200 }, () => 'hay'));
  const controller = new AbortController();
  using reader = new IndexReader(fixture.identity);
  const search = searchText(reader, 'g', parseTextQuery('hay'), {
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  let count = 0;
  const all = (async () => {
    for await (const _ of search) count += 1;
  })();
  await expect(all).rejects.toMatchObject({ code: 'cancelled' });
  expect(count).toBe(500);
});

test.each([
  ['ÀÉÎ', 'aei'],
  ['STRASSE', 'strasse'],
  ['Straße', 'strasse'],
  ['ΟΔΟΣ', 'οδοσ'],
  ['İstanbul', 'istanbul'],
  ['ﬁne', 'fine'],
  ['ＡＢＣ', 'abc'],
  ['が한', 'が한'],
])('%s is folded to %s', (text, folded) => {
  expect(foldText(text)).toBe(folded);
});
