/** A peer that asks wrongly ends its own call with a coded error; the server goes on, and nothing is applied for it. */
import type { Client } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import type { CodedError } from '../../src/lib/coded-error.ts';
import type { ShardService } from '../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { PeerShardCopy } from '../../src/peer/peer-shard-copy.ts';
import type { ServedCallEvent } from '../../src/peer/served-call.ts';
import { fromWireError } from '../../src/peer/wire-error.ts';
import { toWireVersion } from '../../src/peer/wire-version.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { type PeerPair, providerOf, startPair } from '../support/peer-pair.ts';
import { readLeaves } from '../support/read-view.ts';
import { makeVersion } from '../support/versions.ts';

const versions = Array.from({ length: 300 }, (_, at) => makeVersion({ id: `e${at}`, revision: 10n }));
const large = makeVersion({ id: 'large', revision: 10n, value: 'x'.repeat(600_000) });
const settings = { shards: 1, slots: 32, spelling: 1 } as const;
const start = { group: 'g', shard: 0 };

let pair: PeerPair;
let behind: MemoryShardCopy;
let shards: Client<typeof ShardService>;

beforeAll(async () => {
  behind = new MemoryShardCopy({ pageLeaves: 40 });
  behind.load([...versions, large]);
  behind.build();
  pair = await startPair(providerOf([behind]));
  shards = pair.client.connection.shards;
});
afterAll(async () => await pair[Symbol.asyncDispose]());

// Whatever was done to it, it serves the next.
afterEach(async () => {
  using client = new PeerClient({ place: `127.0.0.1:${pair.port}`, clock: systemClock });
  await using view = await new PeerShardCopy(client, 'g', 0).openView();
  expect(await readLeaves(view)).toHaveLength(301);
  expect(behind.calls.applied).toBe(0);
});

/** Sends what it is given and then stays silent with the call open. */
async function* up<T>(...messages: T[]): AsyncGenerator<T> {
  yield* messages;
  await new Promise(() => undefined);
}

async function codeOf(answers: Promise<unknown> | AsyncIterable<unknown>): Promise<string> {
  try {
    if (answers instanceof Promise) await answers;
    else for await (const _ of answers);
    return 'none';
  } catch (error) {
    return fromWireError(error, 'the peer').code;
  }
}

async function leaseOf(): Promise<bigint> {
  for await (const { lease } of shards.slots({ ...start, headerOnly: true })) return lease ?? 0n;
  return 0n;
}

const key = versions[0]!.key;
const wire = versions.map(toWireVersion);

describe('requests that cannot be', () => {
  test.each<[string, () => Promise<unknown> | AsyncIterable<unknown>, string]>([
    ['a listing of a group that leads elsewhere', () => shards.listShards({ group: '../x' }), 'bad-argument'],
    [
      'a listing of a shard that cannot be',
      () => shards.listShards({ group: 'g', shard: 5_000 }),
      'bad-message',
    ],
    ['a listing with an endless name', () => shards.listShards({ group: 'x'.repeat(5_000) }), 'too-large'],
    ['slots of a foreign group', () => shards.slots({ group: 'h', shard: 0 }), 'not-found'],
    ['slots of a foreign shard', () => shards.slots({ group: 'g', shard: 3 }), 'not-found'],
    [
      'slots of a group that leads elsewhere',
      () => shards.slots({ group: 'a/../b', shard: 0 }),
      'bad-argument',
    ],
    ['slots in an unknown spelling', () => shards.slots({ ...start, spelling: 9 as never }), 'bad-message'],
    ['slots of a lease that is none', () => shards.slots({ ...start, lease: 3n }), 'generation-gone'],
    [
      'leaves of a lease that is none',
      () => shards.leaves({ ...start, lease: 3n, slots: [1] }),
      'generation-gone',
    ],
    ['a fetch without a start', () => shards.fetch(up({ keys: [key] })), 'bad-message'],
    ['a fetch that starts twice', () => shards.fetch(up({ start }, { start })), 'bad-message'],
    ['a fetch of a foreign group', () => shards.fetch(up({ start: { group: 'h', shard: 0 } })), 'not-found'],
    [
      'a fetch of too many keys',
      () => shards.fetch(up({ start, keys: Array.from({ length: 257 }, () => key) })),
      'bad-message',
    ],
    ['a fetch of an empty key', () => shards.fetch(up({ start, keys: [new Uint8Array()] })), 'bad-message'],
    [
      'a fetch of a key of 17,000 bytes',
      () => shards.fetch(up({ start, keys: [new Uint8Array(17_000)] })),
      'bad-message',
    ],
    [
      'a fetch beyond all keys',
      () => shards.fetch(up({ start, keys: [new Uint8Array(8_000_000)] })),
      'too-large',
    ],
    ['an apply without a start', () => shards.apply(up({ versions: wire.slice(0, 1) })), 'bad-message'],
    [
      'an apply with versions in its start',
      () => shards.apply(up({ start: { ...start, settings }, versions: wire.slice(0, 1) })),
      'bad-message',
    ],
    ['an apply without settings', () => shards.apply(up({ start })), 'bad-message'],
    [
      'an apply with 33 slots',
      () => shards.apply(up({ start: { ...start, settings: { ...settings, slots: 33 } } })),
      'bad-argument',
    ],
    [
      'an apply to a shard beyond its count',
      () => shards.apply(up({ start: { group: 'g', shard: 1, settings } })),
      'bad-message',
    ],
    [
      'an apply that starts twice',
      () => shards.apply(up({ start: { ...start, settings } }, { start: { ...start, settings } })),
      'bad-message',
    ],
    [
      'an apply of 201 versions',
      () => shards.apply(up({ start: { ...start, settings } }, { batch: 1, versions: wire.slice(0, 201) })),
      'too-large',
    ],
    [
      'an apply of too many bytes',
      () =>
        shards.apply(
          up(
            { start: { ...start, settings } },
            { batch: 1, versions: [toWireVersion(large), toWireVersion(large)] },
          ),
        ),
      'too-large',
    ],
    [
      'an apply of a version without a source',
      () => shards.apply(up({ start: { ...start, settings } }, { batch: 1, versions: [{ key }] })),
      'bad-message',
    ],
    [
      'an apply of a negative delete time',
      () =>
        shards.apply(
          up({ start: { ...start, settings } }, { batch: 1, versions: [{ ...wire[0]!, deleteTime: -1n }] }),
        ),
      'bad-message',
    ],
    [
      'an apply of a batch out of turn',
      () => shards.apply(up({ start: { ...start, settings } }, { batch: 2, versions: wire.slice(0, 1) })),
      'bad-message',
    ],
    [
      'a build of a group that leads elsewhere',
      () => shards.build({ targets: [{ group: '..' }] }),
      'bad-argument',
    ],
  ])('%s', async (_, call, code) => {
    expect(await codeOf(call())).toBe(code);
  });

  test.each<[string, (lease: bigint) => AsyncIterable<unknown>, string]>([
    ['falling', (lease) => shards.leaves({ ...start, lease, slots: [3, 2] }), 'bad-message'],
    ['twice', (lease) => shards.leaves({ ...start, lease, slots: [3, 3] }), 'bad-message'],
    ['beyond the count', (lease) => shards.leaves({ ...start, lease, slots: [32] }), 'bad-message'],
    [
      'of another shard',
      (lease) => shards.leaves({ group: 'g', shard: 1, lease, slots: [1] }),
      'generation-gone',
    ],
    [
      'more than can be',
      (lease) => shards.leaves({ ...start, lease, slots: Array(600_000).fill(1) }),
      'too-large',
    ],
  ])('leaves of slots %s', async (_, call, code) => {
    expect(await codeOf(call(await leaseOf()))).toBe(code);
  });

  test('too large whatever a message is for', async () => {
    const source = Buffer.alloc(3_000_000, 'x');
    const versionsUp = Array.from({ length: 4 }, () => ({ key, source }));
    using client = new PeerClient({
      place: `127.0.0.1:${pair.port}`,
      clock: systemClock,
      limits: { sendBytesMax: 20_000_000 },
    });
    const answers = client.connection.shards.apply(
      up({ start: { ...start, settings } }, { batch: 1, versions: versionsUp }),
    );
    expect(await codeOf(answers)).toBe('too-large');
  });
});

describe('a peer that stalls', () => {
  type Shards = Client<typeof ShardService>;
  test.each<[string, (impatient: Shards) => AsyncIterable<unknown>]>([
    ['before the start of a fetch', (impatient) => impatient.fetch(up())],
    ['between keys', (impatient) => impatient.fetch(up({ start, keys: [key] }))],
    ['before the start of an apply', (impatient) => impatient.apply(up())],
    ['before a batch', (impatient) => impatient.apply(up({ start: { ...start, settings } }))],
  ])('%s', async (_, call) => {
    await using impatient = await startPair(providerOf([behind]), { server: { deadlines: { idleMs: 150 } } });
    expect(await codeOf(call(impatient.client.connection.shards))).toBe('timeout');
  });

  test('in reading', async () => {
    const told = Promise.withResolvers<ServedCallEvent>();
    const keys = Array.from({ length: 200 }, () => large.key);
    const unread = await startPair(providerOf([behind]), {
      server: { deadlines: { idleMs: 150 }, onCall: told.resolve },
    });
    const answers = unread.client.connection.shards.fetch(up({ start, keys }))[Symbol.asyncIterator]();
    await answers.next();
    expect(await told.promise).toMatchObject({ call: 'Fetch', error: { code: 'timeout' } });
    await unread[Symbol.asyncDispose]();
  });
});

test('calls beyond what a server works on at once are refused as busy, the others answered', async () => {
  const codes = await Promise.all(
    Array.from({ length: 250 }, () =>
      pair.client.listShards().then(
        () => 'answered',
        (error: CodedError) => error.code,
      ),
    ),
  );
  expect(new Set(codes)).toEqual(new Set(['answered', 'busy']));
});
