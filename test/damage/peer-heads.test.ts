/**
 * Heads of digests: a run that fills an empty copy asks its peer for 8 bytes of each digest only, and still finds out
 * where leaves do not make the slots that were announced.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import type { LeafPage, LeavesRequest } from '../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { PeerShardCopy } from '../../src/peer/peer-shard-copy.ts';
import { repairShards } from '../../src/repair/repair-shards.ts';
import type { RepairChange, RepairReport } from '../../src/repair/report.ts';
import { entityHash, slotOf } from '../../src/property/placement.ts';
import { joinEntity, parseEntityKey, splitEntity } from '../../src/property/entity.ts';
import { DigestComposer } from '../../src/property/tree-digest.ts';
import { startHostileServer, type Tampering } from '../support/hostile-peer.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { providerOf, startPair } from '../support/peer-pair.ts';
import {
  changeFetched,
  changeLeaves,
  honest,
  shards,
  startHonest,
  versions,
} from '../support/tampered-peer.ts';
import { makeVersion } from '../support/versions.ts';

beforeAll(async () => void (await startHonest()));
afterAll(async () => await honest[Symbol.asyncDispose]());

interface Filled {
  readonly report: RepairReport;
  readonly changes: readonly RepairChange[];
  readonly target: MemoryShardCopy;
  /** What was asked of the peer. */
  readonly asked: readonly LeavesRequest[];
  /** What it answered. */
  readonly pages: readonly LeafPage[];
}

/** Fills a copy, empty unless said otherwise, from the peer behind `tampering`. */
async function fill(tampering: Tampering, held: typeof versions = [], dryRun = false): Promise<Filled> {
  const asked: LeavesRequest[] = [];
  const pages: LeafPage[] = [];
  const { leaves = (request, { signal }) => shards().leaves(request, { signal }), ...rest } = tampering;
  const listening: Tampering = {
    ...rest,
    leaves: async function* (request, context) {
      asked.push(request);
      for await (const answer of leaves(request, context)) {
        pages.push(...(answer.pages as LeafPage[]));
        yield answer;
      }
    },
  };
  await using hostile = await startHostileServer(shards(), listening);
  using client = new PeerClient({ place: `127.0.0.1:${hostile.port}`, clock: systemClock });
  const target = new MemoryShardCopy({ place: 'here' });
  target.load(held);
  target.build();
  const changes: RepairChange[] = [];
  const targets = [{ group: 'g', shard: 0, copies: [target, new PeerShardCopy(client, 'g', 0)] }];
  const report = await repairShards(targets, {
    clock: systemClock,
    dryRun,
    onChange: (change) => void changes.push(change),
  });
  return { report, changes, target, asked, pages };
}

const slotOfVersion = ({ key }: { readonly key: Buffer }): number =>
  slotOf(entityHash(parseEntityKey('g', key)), 32);

test('an empty copy is filled by heads, and every change is told with its whole digest', async () => {
  const { report, changes, asked } = await fill({});
  expect(report).toMatchObject({ outcome: 'repaired', changed: 300, failed: 0 });
  expect(asked).toHaveLength(1);
  expect(asked[0]!.headSlots).toEqual(asked[0]!.slots);
  const digests = new Map(versions.map(({ key, digest }) => [key.toString('latin1'), digest]));
  expect(new Set(changes.map(({ after }) => after.digest.toString('hex')))).toEqual(
    new Set([...digests.values()].map((digest) => digest.toString('hex'))),
  );
});

test('heads travel for slots that no other copy has, and nothing else', async () => {
  const held = versions.filter((version) => slotOfVersion(version) % 2 === 0).slice(1);
  const { report, asked, pages } = await fill({}, held);
  expect(report).toMatchObject({ outcome: 'repaired', failed: 0 });
  const whole = new Set(held.map(slotOfVersion));
  expect(asked[0]!.headSlots.some((slot) => whole.has(slot))).toBe(false);
  expect(asked[0]!.headSlots.length).toBeGreaterThan(10);
  expect(new Set(pages.map(({ slot }) => slot)).size).toBe(asked[0]!.slots.length);
  for (const page of pages) {
    const count = page.keyLengths.length;
    const heads = asked[0]!.headSlots.includes(page.slot);
    expect([page.digests.length, page.digestHeads.length]).toEqual(heads ? [0, 8 * count] : [64 * count, 0]);
  }
});

test('a dry run asks for whole digests, since it tells them', async () => {
  const { report, changes, asked } = await fill({}, [], true);
  expect(report).toMatchObject({ outcome: 'differs', differing: 300 });
  expect(asked[0]!.headSlots).toEqual([]);
  expect(changes.every(({ after }) => after.digest.length === 64)).toBe(true);
});

test('a peer that knows nothing of heads sends whole digests, and is filled from all the same', async () => {
  const { report } = await fill({
    leaves: (request, { signal }) => shards().leaves({ ...request, headSlots: [] }, { signal }),
  });
  expect(report).toMatchObject({ outcome: 'repaired', changed: 300, failed: 0 });
});

describe('a peer that sends heads', () => {
  const pages = (change: (page: LeafPage) => LeafPage): Tampering =>
    changeLeaves((all) => all.map((page) => change(page)));
  test.each<[string, Tampering]>([
    ['and digests', pages((page) => ({ ...page, digests: new Uint8Array(64 * page.keyLengths.length) }))],
    ['too few', pages((page) => ({ ...page, digestHeads: page.digestHeads.subarray(8) }))],
    [
      'of seven bytes',
      pages((page) => ({ ...page, digestHeads: page.digestHeads.subarray(page.keyLengths.length) })),
    ],
  ])('%s', async (_, tampering) => {
    const { report, target } = await fill(tampering);
    expect(report).toMatchObject({ outcome: 'failed', changed: 0, error: { code: 'bad-message' } });
    expect(target.versions.length).toBe(0);
  });

  test('where nobody asked for them', async () => {
    const { report } = await fill(
      {
        leaves: async function* (request, { signal }) {
          yield* shards().leaves({ ...request, headSlots: request.slots }, { signal });
        },
      },
      versions.slice(0, 299),
    );
    expect(report).toMatchObject({ outcome: 'failed', changed: 0, error: { code: 'bad-message' } });
  });

  test('of leaves that do not make the slot it announced is found out when their values have come', async () => {
    // All of it agrees with itself, but for the digests of one slot in the root it announces.
    const { report, target } = await fill(lyingAboutSlot(slotOfVersion(versions[0]!)));
    expect(report.outcome).toBe('failed');
    expect(report.shards[0]?.copies[1]?.error).toMatchObject({ code: 'bad-message' });
    expect(report.shards[0]?.copies[1]?.error?.message).toMatch(/do not make its digest/);
    // What was applied is what was asked for, each value by its own digest.
    expect(target.versions.length).toBeLessThan(300);
  });

  test('and then values that are others at the same revision: nothing but what wins by the order is taken', async () => {
    const { report, target } = await fill(
      changeFetched((answer) => [
        { ...answer, answers: answer.answers.map((one) => ({ ...one, digestHead: one.digestHead ^ 1n })) },
      ]),
    );
    expect(report).toMatchObject({ changed: 0 });
    expect(report.failed).toBe(300);
    expect(target.versions.length).toBe(0);
  });
});

test('a peer cannot hide what another has of a slot that both agree on, also where its index seems to have moved on', async () => {
  const hidden = versions[0]!;
  const slot = slotOfVersion(hidden);
  const invented = Array.from({ length: 1_000 }, (_, at) =>
    makeVersion({ id: `z${at}`, revision: 10n }),
  ).find((version) => slotOfVersion(version) === slot)!;
  const id = splitEntity(joinEntity(parseEntityKey('g', invented.key))).id;
  const lying = new MemoryShardCopy({ pageLeaves: 40 });
  lying.load([...versions.slice(1), invented]);
  lying.build();
  // The value is another by the time it is fetched, so that it says nothing about the slot.
  lying.load([makeVersion({ id, revision: 11n })]);
  await using pair = await startPair(providerOf([lying]));
  const behind = pair.client.connection.shards;
  // Root and slots are those of the honest copy; leaves and values are its own.
  await using hostile = await startHostileServer(shards(), {
    leaves: async function* (request, { signal }) {
      for await (const { lease } of behind.slots({ group: 'g', shard: 0, headerOnly: true })) {
        yield* behind.leaves({ ...request, lease: lease ?? 0n }, { signal });
      }
    },
    fetch: (requests, { signal }) => behind.fetch(requests, { signal }),
  });
  using client = new PeerClient({ place: `127.0.0.1:${hostile.port}`, clock: systemClock });
  const [other, empty] = ['other', 'empty'].map((place) => new MemoryShardCopy({ place }));
  other!.load(versions);
  for (const copy of [other!, empty!]) copy.build();
  const copies = [new PeerShardCopy(client, 'g', 0), other!, empty!];
  const report = await repairShards([{ group: 'g', shard: 0, copies }], {
    clock: systemClock,
    dryRun: false,
  });
  expect(report).toMatchObject({ outcome: 'failed', changed: 0, error: { code: 'bad-message' } });
  expect(empty!.versions).toHaveLength(0);
});

/** Slots that make the root, one of which its leaves do not make. */
function lyingAboutSlot(slot: number): Tampering {
  let root: Buffer | null = null;
  const other = createHash('sha512').update('another').digest();
  const readRoot = async (request: Parameters<ReturnType<typeof shards>['slots']>[0]): Promise<Buffer> => {
    const composer = new DigestComposer();
    for await (const { slots, digests } of shards().slots({ ...request, headerOnly: false })) {
      for (const [at, number] of slots.entries())
        composer.update(number === slot ? other : digests.subarray(64 * at, 64 * at + 64));
    }
    return composer.finish();
  };
  return {
    slots: async function* (request, { signal }) {
      root ??= await readRoot({ group: request.group, shard: request.shard });
      for await (const answer of shards().slots(request, { signal })) {
        const { header } = answer;
        if (header !== undefined) header.root = root;
        const at = answer.slots.indexOf(slot);
        if (at >= 0) answer.digests.set(other, 64 * at);
        yield answer;
      }
    },
  };
}
