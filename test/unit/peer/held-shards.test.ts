import { expect, test } from 'vitest';
import { type HeldShards, holdsShard } from '../../../src/peer/held-shards.ts';
import { providerOf, startPair } from '../../support/peer-pair.ts';

test('everything belongs to a replica without a list, and what is listed to one with', () => {
  const held: HeldShards = [
    { group: 'all', shards: null },
    { group: 'some', shards: [1, 3] },
    { group: 'none', shards: [] },
  ];
  expect(holdsShard(null, 'any', 7)).toBe(true);
  expect([0, 1, 2, 3].filter((shard) => holdsShard(held, 'some', shard))).toEqual([1, 3]);
  expect(holdsShard(held, 'all', 9)).toBe(true);
  expect(holdsShard(held, 'none', 0)).toBe(false);
  expect(holdsShard(held, 'other', 0)).toBe(false);
});

test.each<[HeldShards, HeldShards]>([
  [null, null],
  [[], []],
  [
    [
      { group: 'all', shards: null },
      { group: 'some', shards: [1, 3] },
      { group: 'none', shards: [] },
    ],
    [
      { group: 'all', shards: null },
      { group: 'some', shards: [1, 3] },
    ],
  ],
])('a listing tells what belongs to the replica: %j', async (held, told) => {
  await using pair = await startPair(providerOf([], { held }));
  expect((await pair.client.listShards()).held).toEqual(told);
});
