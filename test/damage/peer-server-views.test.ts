/** A peer whose listings, slots or leaves are wrong ends the run with itself, with a coded error that names it. */
import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  GroupSettingsSchema,
  type LeafPage,
  LeafPageSchema,
  ListedGroupSchema,
  type ListShardsResponse,
  SlotsResponseSchema,
} from '../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { entityKey } from '../../src/property/entity.ts';
import type { Tampering } from '../support/hostile-peer.ts';
import {
  changeHeader,
  changeLeaves,
  changeList,
  changePage,
  changeSlots,
  codeOf,
  honest,
  shards,
  startHonest,
  type Use,
  uses,
} from '../support/tampered-peer.ts';

beforeAll(async () => void (await startHonest()));
afterAll(async () => await honest[Symbol.asyncDispose]());

/** A well-formed page of leaves made from scratch. */
function pageOf(slot: number, pageKeys: readonly Uint8Array[]): LeafPage {
  return create(LeafPageSchema, {
    slot,
    keyLengths: pageKeys.map((key) => key.length),
    keys: Buffer.concat(pageKeys),
    digests: Buffer.concat(pageKeys.map((key) => createHash('sha512').update(key).digest())),
    revisions: pageKeys.map(() => 1n),
    deleteTimes: pageKeys.map(() => 0n),
  });
}

describe('a peer that lists', () => {
  test.each<[string, (answer: ListShardsResponse) => void, string]>([
    ['another format', (answer) => (answer.formatVersion = 99), 'newer-format'],
    ['a group twice', ({ groups }) => groups.push(groups[0]!), 'bad-message'],
    ['a group not asked for', ({ groups }) => (groups[0]!.group = 'h'), 'bad-message'],
    ['a group without settings', ({ groups }) => void delete groups[0]!.settings, 'bad-message'],
    ['impossible settings', ({ groups }) => (groups[0]!.settings!.slots = 33), 'bad-message'],
    ['a shard beyond the count', ({ groups }) => (groups[0]!.shards[0]!.shard = 1), 'bad-message'],
    ['a shard twice', ({ groups }) => groups[0]!.shards.push(groups[0]!.shards[0]!), 'bad-message'],
    [
      'a root of 63 bytes',
      ({ groups }) => (groups[0]!.shards[0]!.tree!.root = new Uint8Array(63)),
      'bad-message',
    ],
    ['an endless name', (answer) => (answer.name = 'x'.repeat(10_000)), 'bad-message'],
    [
      'a thousand abilities',
      (answer) => (answer.abilities = Array.from({ length: 1_000 }, String)),
      'bad-message',
    ],
    [
      'more groups than a message holds',
      ({ groups }) => {
        const group = 'x'.repeat(1_000);
        const listed = create(ListedGroupSchema, { group, settings: create(GroupSettingsSchema) });
        groups.push(...Array.from({ length: 11_000 }, () => listed));
      },
      'too-large',
    ],
    ['a name that leads elsewhere', ({ groups }) => (groups[0]!.group = '../../etc'), 'bad-message'],
  ])('%s', async (_, change, code) => {
    expect(await codeOf(changeList(change), uses.list)).toBe(code);
  });
});

describe('a peer of another version', () => {
  const without: Tampering = {
    slots: (request, { signal }) => shards().slots({ ...request, release: false }, { signal }),
  };
  test.each<[string, Tampering, Use]>([
    ['that can more', changeList((answer) => answer.abilities.push('to foresee')), uses.list],
    ['that takes no view back', without, uses.slots],
    ['that takes no view back after its leaves', without, uses.leaves],
  ])('%s is understood', async (_, tampering, use) => {
    expect(await codeOf(tampering, use)).toBe('none');
  });
});

describe('a peer that sends slots', () => {
  test.each<[string, Tampering]>([
    ['without a header', changeSlots((answer) => (answer.header ? [] : undefined))],
    ['with two headers', changeSlots((answer) => (answer.header ? [answer, answer] : undefined))],
    ['without a lease', changeHeader((_, answer) => void delete answer.lease)],
    ['of a root of no leaves', changeHeader((header) => (header.leaves = 0n))],
    ['of more leaves than can be', changeHeader((header) => (header.leaves = 2n ** 63n))],
    ['of another root', changeHeader((header) => (header.root = new Uint8Array(64)))],
    ['of another count', changeHeader((header) => (header.leaves -= 1n))],
    ['of more live leaves than leaves', changeHeader((header) => (header.liveLeaves = 301n))],
    ['of an impossible number of slots', changeHeader((header) => (header.slots = 2 ** 31))],
    ['of fewer slots than there are', changeHeader((header) => (header.slots = 16))],
    ['in another spelling than asked', changeHeader((header) => (header.spelling = 2))],
    ['in an unknown spelling', changeHeader((header) => (header.spelling = 77 as never))],
    ['of a shard that cannot be', changeHeader((header) => (header.shards = 5_000))],
    ['in falling order', changePage((page) => [{ ...page, slots: page.slots.toReversed() }])],
    ['twice', changePage((page) => [page, page])],
    ['beyond the count', changePage((page) => [{ ...page, slots: page.slots.with(-1, 32) }])],
    ['without a digest', changePage((page) => [{ ...page, digests: page.digests.subarray(64) }])],
    ['without a count', changePage((page) => [{ ...page, leaves: page.leaves.slice(1) }])],
    [
      'with another digest',
      changePage((page) => [{ ...page, digests: page.digests.map((byte) => byte ^ 1) }]),
    ],
    ['with nothing in them', changePage((page) => [{ ...page, leaves: page.leaves.with(3, 0n) }])],
    ['but not all', changePage(() => [])],
    ['in empty pages', changePage((page) => [create(SlotsResponseSchema), page])],
  ])('%s', async (_, tampering) => {
    expect(await codeOf(tampering, uses.slots)).toBe('bad-message');
  });
});

describe('a peer that sends leaves', () => {
  const first = (change: (page: LeafPage) => LeafPage[]): Tampering =>
    changeLeaves(([page, ...rest]) => (page ? [...change(page), ...rest] : undefined));
  const leafKeys = ({ keys: bytes, keyLengths }: LeafPage): Uint8Array[] => {
    let offset = 0;
    return keyLengths.map((length) => {
      offset += length;
      return bytes.subarray(offset - length, offset);
    });
  };
  test.each<[string, Tampering]>([
    ['out of order', first((page) => [pageOf(page.slot, leafKeys(page).toReversed())])],
    ['twice', first((page) => [page, page])],
    ['of another slot', first((page) => [{ ...page, slot: (page.slot + 1) % 32 }])],
    [
      'of another slot under its name',
      first((page) => [pageOf(page.slot, [entityKey({ name: 'n', id: 'elsewhere-0' })])]),
    ],
    ['that are no keys', first((page) => [pageOf(page.slot, [Buffer.from('nothing')])])],
    ['whose keys are no text', first((page) => [pageOf(page.slot, [Buffer.from([0x6e, 0, 0xff, 0xfe])])])],
    ['with keys of 20,000 bytes', first((page) => [pageOf(page.slot, [Buffer.alloc(20_000, 'n\0x')])])],
    ['with empty keys', first((page) => [pageOf(page.slot, [Buffer.alloc(0)])])],
    ['with other digests', first((page) => [{ ...page, digests: page.digests.map((byte) => byte ^ 1) }])],
    ['without a digest', first((page) => [{ ...page, digests: page.digests.subarray(1) }])],
    ['without a revision', first((page) => [{ ...page, revisions: page.revisions.slice(1) }])],
    [
      'with a negative delete time',
      first((page) => [{ ...page, deleteTimes: page.deleteTimes.with(0, -1n) }]),
    ],
    [
      'with bytes that belong to none',
      first((page) => [{ ...page, keys: Buffer.concat([page.keys, Buffer.alloc(9)]) }]),
    ],
    ['but not all of a slot', first((page) => [pageOf(page.slot, leafKeys(page).slice(1))])],
    ['but not all slots', changeLeaves((pages) => pages.slice(1))],
    ['in empty pages', first((page) => [pageOf(page.slot, []), page])],
    ['in empty messages', changeLeaves(() => [])],
  ])('%s', async (_, tampering) => {
    expect(await codeOf(tampering, uses.leaves)).toBe('bad-message');
  });
});
