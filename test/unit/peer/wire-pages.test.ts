/** Pages of slots and leaves as messages: everything arrives once, in order, in messages of bounded size. */
import { toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import {
  type LeafPage as WireLeafPage,
  LeavesResponseSchema,
  type SlotsResponse,
  SlotsResponseSchema,
} from '../../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { keyBytesMax } from '../../../src/property/entity.ts';
import {
  decodeLeafPage,
  decodeSlots,
  encodeLeafPages,
  encodeSlotPages,
} from '../../../src/peer/wire-pages.ts';
import { sourceDigest } from '../../../src/property/digest.ts';
import type { Leaf, LeafPage, SlotSummary } from '../../../src/shard-copy/shard-copy.ts';

/** As a page of a server is, near enough. */
const pageBytesMax = 256 * 1024;
const whole = { pageBytesMax, headSlots: new Set<number>() };

const digest = (at: number): Buffer => sourceDigest(`digest ${at}`, 0n);

async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const summaries = (count: number): SlotSummary[] =>
  Array.from({ length: count }, (_, slot) => ({ slot, digest: digest(slot), leaves: slot * 1_000 + 1 }));

const leavesOf = (count: number, keyBytes: number, told = true): Leaf[] =>
  Array.from({ length: count }, (_, at) => ({
    key: Buffer.from(String(at).padStart(keyBytes, '0')),
    digest: digest(at),
    revision: told ? BigInt(at) - 5n : null,
    deleteTime: told ? BigInt(at % 3) : null,
  }));

describe('slots', () => {
  test.each([1, 3_000, 3_318, 3_319, 10_000])('%d of them', async (count) => {
    const all = summaries(count);
    const pages = [all.slice(0, 10), all.slice(10, 4_000), all.slice(4_000)].filter(
      ({ length }) => length > 0,
    );
    const messages = await collect(encodeSlotPages(streamOf(pages), pageBytesMax));
    for (const message of messages) {
      expect(toBinary(SlotsResponseSchema, message).length).toBeLessThanOrEqual(pageBytesMax);
    }
    expect(messages.length).toBe(Math.ceil(count / 3_318));
    expect(messages.flatMap(decodeSlots)).toEqual(all);
  });

  test('of no page are no message', async () => {
    expect(await collect(encodeSlotPages(streamOf([]), pageBytesMax))).toEqual([]);
  });

  test.each<[string, (page: SlotsResponse) => void]>([
    ['of none', (page) => Object.assign(page, { slots: [], leaves: [], digests: Buffer.alloc(0) })],
    ['without a slot', (page) => page.slots.splice(0)],
    ['with a count too few', (page) => page.leaves.pop()],
    ['with a digest too few', (page) => Object.assign(page, { digests: page.digests.subarray(64) })],
    [
      'with a digest too many',
      (page) => Object.assign(page, { digests: Buffer.concat([page.digests, digest(0)]) }),
    ],
    ['with a count that no number holds', (page) => page.leaves.splice(0, 1, 2n ** 53n)],
  ])('%s are refused', async (_, change) => {
    const [page] = await collect(encodeSlotPages(streamOf([summaries(3)]), pageBytesMax));
    change(page!);
    expect(() => decodeSlots(page!)).toThrow(expect.objectContaining({ code: 'bad-message' }));
  });
});

describe('leaves', () => {
  const pages: LeafPage[] = [
    { slot: 0, leaves: leavesOf(3, 10) },
    { slot: 0, leaves: leavesOf(5_000, 40) },
    { slot: 7, leaves: leavesOf(1, 1) },
    { slot: 8, leaves: leavesOf(60, keyBytesMax) },
    { slot: 9, leaves: leavesOf(4, 10, false) },
  ];

  test('arrive once, in order, in messages that are full and not too large', async () => {
    const messages = await collect(encodeLeafPages(streamOf(pages), whole));
    const sizes = messages.map((message) => toBinary(LeavesResponseSchema, message).length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(pageBytesMax);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(messages.length).toBeLessThan(1.3 * Math.ceil(bytes / pageBytesMax));
    const received = messages.flatMap((message) => message.pages.map(decodeLeafPage));
    for (const slot of [0, 7, 8, 9]) {
      const of = (all: readonly LeafPage[]) => all.flatMap((page) => (page.slot === slot ? page.leaves : []));
      expect(of(received), `slot ${slot}`).toEqual(of(pages));
    }
    expect(received.map(({ slot }) => slot)).toEqual(received.map(({ slot }) => slot).sort((a, b) => a - b));
  });

  test('of small pages travel together', async () => {
    const small = Array.from({ length: 20 }, (_, slot) => ({ slot, leaves: leavesOf(2, 5) }));
    expect(await collect(encodeLeafPages(streamOf(small), whole))).toHaveLength(1);
    expect(await collect(encodeLeafPages(streamOf([]), whole))).toEqual([]);
  });

  test('of some slots go with the heads of their digests', async () => {
    const two = [1, 2].map((slot) => ({ slot, leaves: leavesOf(3, 10) }));
    const [message] = await collect(
      encodeLeafPages(streamOf(two), { pageBytesMax, headSlots: new Set([2]) }),
    );
    const [full, heads] = message!.pages.map(decodeLeafPage);
    expect(full).toEqual(two[0]);
    expect(heads!.leaves).toEqual(
      two[1]!.leaves.map((leaf) => ({ ...leaf, digest: leaf.digest.subarray(0, 8) })),
    );
    // Heads are passed on as such.
    const [again] = await collect(encodeLeafPages(streamOf([heads!]), whole));
    expect(again!.pages.map(decodeLeafPage)).toEqual([heads]);
    const both = { ...message!.pages[1]!, digests: message!.pages[0]!.digests };
    expect(() => decodeLeafPage(both)).toThrow(expect.objectContaining({ code: 'bad-message' }));
    const cut = { ...message!.pages[1]!, digestHeads: message!.pages[1]!.digestHeads.subarray(8) };
    expect(() => decodeLeafPage(cut)).toThrow(expect.objectContaining({ code: 'bad-message' }));
  });

  test('of which one is larger than a message travel one by one', async () => {
    const messages = await collect(encodeLeafPages(streamOf([pages[0]!]), { ...whole, pageBytesMax: 50 }));
    expect(messages.map(({ pages: [page] }) => decodeLeafPage(page!).leaves)).toEqual(
      pages[0]!.leaves.map((leaf) => [leaf]),
    );
    expect(await collect(encodeLeafPages(streamOf([{ slot: 1, leaves: [] }]), whole))).toEqual([]);
  });

  test('that tell half of their version tell none', async () => {
    for (const untold of [{ revision: null }, { deleteTime: null }]) {
      const half = leavesOf(2, 10).map((leaf) => ({ ...leaf, ...untold }));
      const [message] = await collect(encodeLeafPages(streamOf([{ slot: 5, leaves: half }]), whole));
      expect(decodeLeafPage(message!.pages[0]!).leaves).toEqual(leavesOf(2, 10, false));
    }
  });

  const wrong: [string, (page: WireLeafPage) => void][] = [
    [
      'of none',
      (page) =>
        Object.assign(page, {
          keyLengths: [],
          keys: Buffer.alloc(0),
          digests: Buffer.alloc(0),
          revisions: [],
          deleteTimes: [],
        }),
    ],
    ['without a leaf', (page) => page.keyLengths.splice(0)],
    [
      'with heads for some and digests for others',
      (page) => Object.assign(page, { digests: Buffer.alloc(8), digestHeads: Buffer.alloc(16) }),
    ],
    ['with a digest too few', (page) => Object.assign(page, { digests: page.digests.subarray(64) })],
    [
      'with a digest too many',
      (page) => Object.assign(page, { digests: Buffer.concat([page.digests, digest(0)]) }),
    ],
    ['with a revision too few', (page) => page.revisions.pop()],
    ['with a revision and a delete time too few', (page) => [page.revisions.pop(), page.deleteTimes.pop()]],
    ['with a delete time too many', (page) => page.deleteTimes.push(0n)],
    ['with delete times alone', (page) => page.revisions.splice(0)],
    ['with a key of no bytes', (page) => page.keyLengths.splice(0, 2, 0, 20)],
    [
      'with a key that is too long',
      (page) => {
        Object.assign(page, { keys: Buffer.alloc(keyBytesMax + 21) });
        page.keyLengths.splice(0, 1, keyBytesMax + 1);
      },
    ],
    ['with a key beyond the keys', (page) => page.keyLengths.splice(2, 1, 11)],
    [
      'with keys of nobody',
      (page) => Object.assign(page, { keys: Buffer.concat([page.keys, Buffer.alloc(1)]) }),
    ],
    ['with a negative delete time', (page) => page.deleteTimes.splice(1, 1, -1n)],
  ];
  test.each(wrong)('%s are refused', async (_, change) => {
    const [message] = await collect(encodeLeafPages(streamOf([{ slot: 5, leaves: leavesOf(3, 10) }]), whole));
    const page = message!.pages[0]!;
    change(page);
    expect(() => decodeLeafPage(page)).toThrow(
      expect.objectContaining({ code: 'bad-message', details: expect.objectContaining({ slot: 5 }) }),
    );
  });

  test('with a key as long as can be are taken', async () => {
    const [message] = await collect(
      encodeLeafPages(streamOf([{ slot: 5, leaves: leavesOf(1, keyBytesMax) }]), whole),
    );
    expect(decodeLeafPage(message!.pages[0]!).leaves).toEqual(leavesOf(1, keyBytesMax));
  });
});
