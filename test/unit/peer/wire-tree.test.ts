/** Settings, spellings and descriptions of trees as messages: they come back, and what cannot be is refused. */
import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { type Tree, Spelling as WireSpelling } from '../../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { TreeSchema } from '../../../src/peer/generated/tallystick/v1/shard_pb.ts';
import {
  checkSlotNumbers,
  fromWireSettings,
  fromWireSpelling,
  fromWireTree,
  readCount,
  toWireSettings,
  toWireSpelling,
  toWireTree,
} from '../../../src/peer/wire-tree.ts';
import { sourceDigest } from '../../../src/property/digest.ts';
import type { GroupSettings } from '../../../src/property/group-settings.ts';
import type { ViewDescription } from '../../../src/shard-copy/shard-copy.ts';

const settings: GroupSettings = { shards: 3, slots: 64, spelling: 'spaced' };
const identity = { group: 'g', shard: 2 };
const full: ViewDescription = {
  ...identity,
  shards: 3,
  slotScheme: { hash: 'xxh64', seed: 0n, slots: 64 },
  spelling: 'spaced',
  root: sourceDigest('root', 0n),
  leaves: 5,
  liveLeaves: 5,
  generation: 2n ** 64n - 1n,
  watermark: { sequence: 7n, token: '00ff' },
  builtAtMs: 1_700_000_000_000,
  stale: true,
};
const untold: ViewDescription = {
  ...full,
  ...{ shards: null, slotScheme: null, spelling: null, liveLeaves: null },
  ...{ generation: null, watermark: null, builtAtMs: null, stale: false },
};
const empty: ViewDescription = { ...full, root: Buffer.alloc(0), leaves: 0, liveLeaves: 0 };
const badMessage = expect.objectContaining({ code: 'bad-message' });

describe('a description', () => {
  test.each([
    full,
    untold,
    empty,
    {
      ...full,
      liveLeaves: 0,
      leaves: 2 ** 53 - 1,
      slotScheme: { hash: 'xxh64' as const, seed: 9n, slots: 1 },
    },
    { ...full, shards: 4_096, spelling: 'compact' as const },
  ])('comes back with and without settings: %o', (description) => {
    expect(fromWireTree(toWireTree(description), identity)).toEqual(description);
  });

  test('leaves out what equals the settings', () => {
    const tree = toWireTree(full, settings);
    expect(tree).toMatchObject({ spelling: WireSpelling.UNSPECIFIED });
    expect([tree.shards, tree.slots, tree.slotSeed]).toEqual([undefined, undefined, undefined]);
    expect(fromWireTree(tree, identity, settings)).toEqual(full);
    const other = {
      ...full,
      shards: 4,
      spelling: 'compact' as const,
      slotScheme: { hash: 'xxh64' as const, seed: 0n, slots: 32 },
    };
    expect(toWireTree(other, settings)).toMatchObject({
      shards: 4,
      slots: 32,
      spelling: WireSpelling.COMPACT,
    });
    expect(fromWireTree(toWireTree(other, settings), identity, settings)).toEqual(other);
  });

  test('tells a time that is none as the beginning of time', () => {
    expect(toWireTree({ ...full, builtAtMs: -5.5 }).builtAtMs).toBe(0n);
    expect(toWireTree({ ...full, builtAtMs: 5.5 }).builtAtMs).toBe(5n);
  });

  test.each<[string, Partial<Tree>]>([
    ['a root too short', { root: Buffer.alloc(63) }],
    ['leaves without a root', { root: Buffer.alloc(0) }],
    ['a root without leaves', { leaves: 0n, liveLeaves: 0n }],
    ['more live leaves than leaves', { liveLeaves: 6n }],
    ['leaves that no number holds', { leaves: 2n ** 53n }],
    ['live leaves that no number holds', { liveLeaves: 2n ** 53n }],
    ['a time that no number holds', { builtAtMs: 2n ** 53n }],
    ['an odd slot count', { slots: 3 }],
    ['slot count 0', { slots: 0 }],
    ['shard count 0', { shards: 0 }],
    ['fewer shards than its own number', { shards: 2 }],
    ['an unknown spelling', { spelling: 9 as WireSpelling }],
    [
      'a long token',
      { watermark: { $typeName: 'tallystick.v1.Watermark', sequence: 1n, token: Buffer.alloc(65) } },
    ],
  ])('with %s is refused', (_, change) => {
    const tree = create(TreeSchema, { ...toWireTree(full), ...change });
    expect(() => fromWireTree(tree, identity, settings)).toThrow(badMessage);
  });

  test('with a token as long as can be is taken', () => {
    const token = 'ab'.repeat(64);
    const description = { ...full, watermark: { sequence: 1n, token } };
    expect(fromWireTree(toWireTree(description), identity)).toEqual(description);
  });

  test('of a shard beyond the shards it does not tell is held to the settings', () => {
    const { shards: _, ...told } = toWireTree({ ...full, shards: null });
    expect(() => fromWireTree(told as Tree, { group: 'g', shard: 3 }, settings)).toThrow(badMessage);
  });
});

describe('settings', () => {
  test.each<GroupSettings>([settings, { shards: 1, slots: 1, spelling: 'compact' }])(
    '%o come back',
    (one) => {
      expect(fromWireSettings(toWireSettings(one))).toEqual(one);
    },
  );

  test('that are absent, or tell no spelling, are refused', () => {
    expect(() => fromWireSettings(undefined)).toThrow(
      expect.objectContaining({ code: 'bad-message', details: { field: 'settings' } }),
    );
    const unspelled = { ...toWireSettings(settings), spelling: WireSpelling.UNSPECIFIED };
    expect(() => fromWireSettings(unspelled)).toThrow(badMessage);
    expect(() => fromWireSettings({ ...toWireSettings(settings), slots: 3 })).toThrow(
      expect.objectContaining({ code: 'bad-argument' }),
    );
  });

  test('spell as they say', () => {
    for (const spelling of ['compact', 'spaced', null] as const) {
      expect(fromWireSpelling(toWireSpelling(spelling))).toBe(spelling);
    }
    expect(toWireSpelling(null)).toBe(WireSpelling.UNSPECIFIED);
    expect(() => fromWireSpelling(3 as WireSpelling)).toThrow(
      expect.objectContaining({ code: 'bad-message', details: { field: 'spelling', value: 3 } }),
    );
  });
});

test('a count is one that a number holds', () => {
  expect(readCount(2n ** 53n - 1n, 'x')).toBe(2 ** 53 - 1);
  expect(() => readCount(2n ** 53n, 'x')).toThrow(
    expect.objectContaining({ code: 'bad-message', details: { field: 'x' } }),
  );
});

test('slot numbers ascend and are below the slot count', () => {
  checkSlotNumbers([], 4);
  checkSlotNumbers([0, 1, 3], 4);
  for (const [numbers, value] of [
    [[0, 0], 0],
    [[2, 1], 1],
    [[4], 4],
    [[0, 1, 5], 5],
  ] as const) {
    expect(() => checkSlotNumbers(numbers, 4)).toThrow(
      expect.objectContaining({ code: 'bad-message', details: { field: 'slots', value } }),
    );
  }
});
