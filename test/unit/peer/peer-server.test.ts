import { toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { CodedError } from '../../../src/lib/coded-error.ts';
import { ListShardsResponseSchema } from '../../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { PeerClient } from '../../../src/peer/peer-client.ts';
import { PeerServer } from '../../../src/peer/peer-server.ts';
import { PeerShardCopy } from '../../../src/peer/peer-shard-copy.ts';
import type { ServedCallEvent } from '../../../src/peer/served-call.ts';
import type { BuildProgress, BuildRequest, ShardListing } from '../../../src/peer/shard-provider.ts';
import type { ShardCopy } from '../../../src/shard-copy/shard-copy.ts';
import { MemoryShardCopy } from '../../support/memory-shard-copy.ts';
import { providerOf, startPair } from '../../support/peer-pair.ts';
import { makeVersion } from '../../support/versions.ts';

const settings = { shards: 1, slots: 32, spelling: 'compact' } as const;

test.each(['0.0.0.0', '::', '192.168.1.1', 'example.com'])(
  'without TLS nothing listens on %s',
  async (host) => {
    const server = new PeerServer({ provider: providerOf([]), clock: systemClock });
    await expect(server.listen({ host, port: 0 })).rejects.toMatchObject({
      code: 'bad-settings',
      details: { field: 'listen' },
    });
  },
);

test('unless it is wanted', async () => {
  await using server = new PeerServer({ provider: providerOf([]), clock: systemClock, insecureListen: true });
  expect((await server.listen({ host: '0.0.0.0', port: 0 })).port).toBeGreaterThan(0);
});

test('a list of allowed peers without an authority is a mistake', async () => {
  const server = new PeerServer({ provider: providerOf([]), clock: systemClock, allowedPeers: ['a'] });
  await expect(server.listen({ host: '127.0.0.1', port: 0 })).rejects.toMatchObject({ code: 'bad-settings' });
});

test('a port in use is told', async () => {
  await using pair = await startPair(providerOf([]));
  const server = new PeerServer({ provider: providerOf([]), clock: systemClock });
  await expect(server.listen({ host: '127.0.0.1', port: pair.port })).rejects.toMatchObject({ code: 'io' });
});

test('health is told while it serves and while it drains', async () => {
  await using pair = await startPair(providerOf([]));
  expect(await pair.client.isServing()).toBe(true);
  pair.server.serving = false;
  expect(await pair.client.isServing()).toBe(false);
});

test('shards are listed as they are, at most 200 bytes each', async () => {
  const listings = Array.from({ length: 500 }, (_, at): ShardListing => {
    const group = `group-${Math.floor(at / 100)}`;
    const shard = at % 100;
    const own = { shards: 100, slots: 1_024, spelling: 'spaced' } as const;
    const tree: ShardListing['tree'] = {
      group,
      shard,
      shards: 100,
      slotScheme: { hash: 'xxh64', seed: 0n, slots: at % 10 === 0 ? 32 : 1_024 },
      spelling: 'spaced',
      root: Buffer.alloc(64, at),
      leaves: 10_000_000 + at,
      liveLeaves: 9_000_000 + at,
      generation: 2n ** 40n + BigInt(at),
      watermark: { sequence: 2n ** 50n, token: 'ab'.repeat(16) },
      builtAtMs: 1_790_000_000_000 + at,
      stale: at % 2 === 0,
    };
    return { group, shard, settings: own, tree: at === 7 ? null : tree };
  });
  await using pair = await startPair(providerOf([], { list: async () => listings }));
  expect(await pair.client.listShards()).toEqual({
    name: 'tested',
    instance: 7n,
    abilities: [],
    held: null,
    shards: listings,
  });
  const answer = await pair.client.connection.shards.listShards({});
  expect(toBinary(ListShardsResponseSchema, answer).length / listings.length).toBeLessThan(200);
});

test('a build tells its progress, and that it goes on while there is none', async () => {
  const reports: BuildProgress[] = [
    { group: 'g', shard: 0, outcome: 'running', leaves: 5, generation: null, root: null, reason: null },
    {
      group: 'g',
      shard: 0,
      outcome: 'built',
      leaves: 9,
      generation: 3n,
      root: Buffer.alloc(64, 7),
      reason: null,
    },
    {
      group: 'g',
      shard: 1,
      outcome: 'skipped',
      leaves: 0,
      generation: 2n,
      root: Buffer.alloc(0),
      reason: 'unchanged',
    },
    { group: 'h', shard: 0, outcome: 'failed', leaves: 0, generation: null, root: null, reason: 'no room' },
  ];
  const asked: BuildRequest[] = [];
  const provider = providerOf([], {
    build: async function* (request, signal) {
      asked.push(request);
      for (const report of reports) {
        // Longer than the idle timeout of the client.
        if (report.outcome === 'running') await systemClock.sleep(700, signal);
        yield report;
      }
    },
  });
  const deadlines = { idleMs: 500 };
  await using pair = await startPair(provider, { server: { deadlines }, client: { deadlines } });
  const targets = [
    { group: 'g', shard: null },
    { group: 'h', shard: 0 },
  ];
  expect(await Array.fromAsync(pair.client.build({ targets, force: true }))).toEqual(reports);
  expect(asked).toEqual([{ targets, force: true }]);
});

test('an error keeps its code and details on its way, and says whose it is; its cause stays', async () => {
  const events: ServedCallEvent[] = [];
  const provider = providerOf([], {
    list: async () => {
      const details = { count: 7, big: 2n ** 60n, nested: { list: ['é', '\n'] } };
      throw new CodedError('fuse', 'too much: 100 % é\n', details, { cause: new Error('secret') });
    },
  });
  await using pair = await startPair(provider, {
    server: { onCall: (event) => events.push(event) },
    client: { runId: 'run-1' },
  });
  const error = await pair.client.listShards().catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'fuse',
    // In one line, whatever it was told in.
    message: `${pair.client.place} says: too much: 100 % é`,
    details: {
      count: 7,
      big: (2n ** 60n).toString(),
      nested: { list: ['é', '\n'] },
      fromPeer: true,
      place: pair.client.place,
    },
  });
  expect(JSON.stringify(error)).not.toContain('secret');
  expect(events).toMatchObject([{ call: 'ListShards', runId: 'run-1', error: { code: 'fuse' } }]);
});

test('a value too large for a message is held back and named, at either end', async () => {
  const behind = new MemoryShardCopy();
  const [small, large] = ['x', 'x'.repeat(50_000)].map((value) =>
    makeVersion({ id: value.slice(0, 5), revision: 5n, value }),
  );
  behind.load([large!]);
  await using pair = await startPair(providerOf([behind]), {
    server: { limits: { sendBytesMax: 20_000 } },
    client: { limits: { sendBytesMax: 20_000 } },
  });
  const copy = new PeerShardCopy(pair.client, 'g', 0);
  await expect(Array.fromAsync(copy.fetch([large!.key]))).rejects.toMatchObject({
    code: 'too-large',
    details: { entity: 'g/n/xxxxx' },
  });
  await using session = await copy.openApply({ settings, confirmed: null });
  expect(await session.apply([large!, small!])).toMatchObject([{ result: 'refused' }, { result: 'applied' }]);
});

test('a peer that went away and came back is spoken to again by the same client', async () => {
  const behind = new MemoryShardCopy();
  behind.build();
  const options = { provider: providerOf([behind]), clock: systemClock };
  const first = new PeerServer(options);
  const { port } = await first.listen({ host: '127.0.0.1', port: 0 });
  using client = new PeerClient({ place: `127.0.0.1:${port}`, clock: systemClock });
  expect((await client.listShards()).shards).toHaveLength(1);
  await first[Symbol.asyncDispose]();
  await expect(client.listShards()).rejects.toMatchObject({ code: 'unreachable' });
  await using second = new PeerServer(options);
  await second.listen({ host: '127.0.0.1', port });
  expect((await client.listShards()).shards).toHaveLength(1);
});

test.each(['', 'x', 'x:', ':1', 'http://x:1', 'x:1/y', 'a b:1', 'x:99999999', 'u@x:1'])(
  '%j is no peer',
  (place) => {
    expect(() => new PeerClient({ place, clock: systemClock })).toThrow(
      expect.objectContaining({ code: 'bad-argument' }),
    );
  },
);

test('a view is closed at its peer as soon as it is disposed', async () => {
  const copy = new MemoryShardCopy();
  copy.load([makeVersion({ id: 'a', revision: 1n })]);
  copy.build();
  const closed = Promise.withResolvers<void>();
  const watched: ShardCopy = {
    place: copy.place,
    group: copy.group,
    shard: copy.shard,
    fetch: (keys, signal) => copy.fetch(keys, signal),
    openApply: (options) => copy.openApply(options),
    openView: async (options) => {
      const view = await copy.openView(options);
      return Object.assign(Object.create(view) as typeof view, {
        description: view.description,
        slots: () => view.slots(),
        leaves: (slots: readonly number[]) => view.leaves(slots),
        [Symbol.asyncDispose]: async () => closed.resolve(),
      });
    },
  };
  await using pair = await startPair(providerOf([watched]));
  const remote = new PeerShardCopy(pair.client, 'g', 0);
  const view = await remote.openView();
  // In the middle of a call: the lease ends with that.
  const reading = view.leaves([...Array(32).keys()])[Symbol.asyncIterator]();
  await reading.next();
  await reading.return?.();
  await view[Symbol.asyncDispose]();
  await closed.promise;
  await view[Symbol.asyncDispose]();
});

test('a view of a peer that is gone can be disposed', async () => {
  const copy = new MemoryShardCopy();
  copy.load([makeVersion({ id: 'a', revision: 1n })]);
  copy.build();
  const pair = await startPair(providerOf([copy]));
  const view = await new PeerShardCopy(pair.client, 'g', 0).openView();
  await pair.server[Symbol.asyncDispose]();
  await view[Symbol.asyncDispose]();
  pair.client[Symbol.dispose]();
});

test('an apply that goes on for longer than a stream may ends, however lively it is', async () => {
  await using pair = await startPair(providerOf([new MemoryShardCopy()]), {
    client: { deadlines: { streamMs: 300 } },
  });
  await using session = await new PeerShardCopy(pair.client, 'g', 0).openApply({ settings, confirmed: null });
  const endless = async (): Promise<never> => {
    for (let revision = 1n; ; revision++) await session.apply([makeVersion({ id: 'a', revision })]);
  };
  await expect(endless()).rejects.toMatchObject({
    code: 'timeout',
    details: { step: 'the whole of an apply', place: pair.client.place },
  });
});
