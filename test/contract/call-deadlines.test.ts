/** How long a call may take, as the other end is told it. */
import { Code, ConnectError } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import type { ServedCallEvent } from '../../src/peer/served-call.ts';
import { providerOf, startPair } from '../support/peer-pair.ts';
import { RawPeer } from '../support/raw-peer.ts';

test('a peer is told for how long its one answer is waited for, and no whole time of a stream', async () => {
  // An empty message, which is an answer to anything.
  await using peer = await RawPeer.start(Buffer.alloc(5));
  const deadlines = { listShardsMs: 40_000, healthMs: 30_000.5 };
  using client = new PeerClient({ place: peer.place, clock: systemClock, deadlines });
  await expect(client.listShards()).rejects.toMatchObject({ code: 'newer-format' });
  expect(await client.isServing()).toBe(false);
  expect(await client.build({ targets: [], force: false }).next()).toMatchObject({ done: true });
  expect(peer.asked.map((headers) => headers['grpc-timeout'] ?? null)).toEqual(['40000m', '30001m', null]);
});

test('what nobody waits for any more is not gone on with', async () => {
  const ended = Promise.withResolvers<unknown>();
  const list = async (_: unknown, signal: AbortSignal): Promise<never> => {
    signal.addEventListener('abort', () => ended.resolve(signal.aborted), { once: true });
    await ended.promise;
    signal.throwIfAborted();
    throw new Error('it was not aborted');
  };
  const calls: ServedCallEvent[] = [];
  await using pair = await startPair(providerOf([], { list }), {
    server: { onCall: (call) => void calls.push(call) },
  });
  const { shards } = pair.client.connection;
  const asked = shards.listShards({}, { headers: { 'grpc-timeout': '50m' } });
  await expect(asked).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  expect(calls).toMatchObject([{ call: 'ListShards', error: { code: 'timeout' } }]);
  expect(await ended.promise).toBe(true);
  await expect(shards.listShards({}, { headers: { 'grpc-timeout': 'soon' } })).rejects.toBeInstanceOf(
    ConnectError,
  );
});
