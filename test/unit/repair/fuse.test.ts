import { expect, test } from 'vitest';
import { type FuseShard, checkFuse } from '../../../src/repair/fuse.ts';
import { type PlanEntry, PlanTally } from '../../../src/repair/plan.ts';
import type { Version } from '../../../src/property/version.ts';

const version = (revision: bigint, deleteTime = 0n): Version => ({
  revision,
  deleteTime,
  digest: Buffer.alloc(64, 1),
});

/** `pairs`: what copy A has, and the winner at B; each `times` times. */
function shard(live: number | null, leaves: number, pairs: [Version | null, Version, number][]): FuseShard {
  const copies = [
    { place: 'A', leaves, liveLeaves: live },
    { place: 'B', leaves, liveLeaves: live },
  ];
  const tally = new PlanTally(copies);
  for (const [before, winner, times] of pairs) {
    for (let at = 0; at < times; at++) {
      const entry: PlanEntry = {
        group: 'g',
        shard: 0,
        entity: `g/n/${at}`,
        winner,
        holders: ['B'],
        lackers: [{ place: 'A', before }],
      };
      tally.add(entry);
    }
  }
  return { head: { group: 'g', shard: 0, settings: null, spelling: null, copies }, counts: tally.counts };
}

const live = version(1n);
const dead = version(1n, 5n);

test('more than half of a copy with over 100 live ones trips it, and the message says how to go on', () => {
  const tripped = shard(200, 300, [[live, version(2n), 101]]);
  expect(() => checkFuse([tripped], null)).toThrow(
    /would replace 101 live properties .*101 of 200 in group g, shard 0 at A.*confirm 101/,
  );
  expect(() => checkFuse([tripped], null)).toThrow(
    expect.objectContaining({ code: 'fuse', details: { count: 101, places: ['A'] } }),
  );
  checkFuse([shard(200, 300, [[live, version(2n), 100]])], null);
});

test('a tombstone and other content count; filling and replacing tombstones never do', () => {
  expect(() => checkFuse([shard(150, 150, [[live, dead, 76]])], null)).toThrow('76');
  expect(() =>
    checkFuse(
      [
        shard(150, 150, [
          [live, version(2n), 40],
          [live, dead, 36],
        ]),
      ],
      null,
    ),
  ).toThrow('76');
  const harmless = shard(150, 150, [
    [null, live, 500],
    [null, dead, 500],
    [dead, version(1n, 9n), 500],
    [dead, version(2n), 500],
  ]);
  checkFuse([harmless], null);
  expect(harmless.counts.copies[0]).toEqual({ place: 'A', changes: 2000, heldBack: 0, replacedLive: 0 });
});

test('a small copy never trips it', () => {
  checkFuse([shard(100, 100, [[live, dead, 100]])], null);
  expect(() => checkFuse([shard(101, 101, [[live, dead, 51]])], null)).toThrow('51');
});

test('where live ones are not told, leaves count', () => {
  checkFuse([shard(null, 300, [[live, dead, 150]])], null);
  expect(() => checkFuse([shard(null, 300, [[live, dead, 151]])], null)).toThrow('151 of 300');
});

test('the number to confirm is that of all shards and copies', () => {
  const shards = [shard(200, 200, [[live, dead, 150]]), shard(200, 200, [[live, dead, 30]])];
  expect(() => checkFuse(shards, 179)).toThrow(/180 live .*\(179 were confirmed\)/);
  checkFuse(shards, 180);
  checkFuse(shards, 1000);
});
