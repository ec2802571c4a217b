/** Ceilings and compression of messages as the settings say, on running replicas. */
import { connect } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { PeerShardCopy } from '../../src/peer/peer-shard-copy.ts';
import { Peers } from '../../src/service/members.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { Cluster } from '../support/running-service.ts';
import { makeVersion } from '../support/versions.ts';

const mebibyte = 1024 * 1024;
const settings = { shards: 1, slots: 32, spelling: 'compact' } as const;

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.create();
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

test('a replica accepts messages up to the ceiling of its settings', async () => {
  const huge = makeVersion({ id: 'huge', revision: 1n, value: 'x'.repeat(5 * mebibyte) });
  const send = async (name: string, file: string | null): Promise<unknown> => {
    const { service } = await cluster.start(name, {}, file);
    using client = new PeerClient({
      place: service.address ?? '',
      clock: systemClock,
      limits: { sendBytesMax: 32 * mebibyte },
    });
    await using session = await new PeerShardCopy(client, 'g', 0).openApply({ settings, confirmed: null });
    return await session.apply([huge]);
  };
  await expect(send('one', 'wire: { acceptMax: 4 }')).rejects.toMatchObject({ code: 'too-large' });
  // It comes in, and is then held to the ceiling of a property.
  expect(await send('two', null)).toMatchObject([{ result: 'refused' }]);
});

test('peers are called with the ceilings and the compression of the settings', async () => {
  const told = await readSettings({
    file: null,
    environment: { TALLYSTICK_WIRE_SEND_MAX: '3', TALLYSTICK_WIRE_COMPRESSION: 'true' },
    flags: {},
  });
  const peers = new Peers(told, {
    ...{ clock: systemClock, instance: 1n },
    onProblem: () => undefined,
    onLookup: () => undefined,
  });
  const node = { name: 'a', grpcAddress: '127.0.0.1:1', tlsEnabled: false, caCertPath: null };
  using client = peers.client(node);
  expect(client.connection.limits).toMatchObject({
    sendBytesMax: 3 * mebibyte,
    acceptBytesMax: 10 * mebibyte,
  });
});

test.each(['TALLYSTICK_WIRE_SEND_MAX', 'TALLYSTICK_WIRE_ACCEPT_MAX'])('%s has bounds', async (variable) => {
  const read = (value: string) => readSettings({ file: null, environment: { [variable]: value }, flags: {} });
  for (const value of ['1', '33']) {
    await expect(read(value)).rejects.toMatchObject({ details: { problems: [{ value: Number(value) }] } });
  }
  for (const value of ['4', '32']) await read(value);
});

test('a replica that compresses and one that does not understand each other, either way', async () => {
  await cluster.load('one', { a: 1, b: 2 });
  await cluster.load('two', { b: 1, c: 1 });
  const two = await cluster.start('two');
  const one = await cluster.start('one', { 'wire.compression': true, nodes: await cluster.nodes(two) });
  expect(await one.run('/v1/repairs', { group: 'g', shard: 0 })).toMatchObject({ outcome: 'converged' });
  using plain = new PeerClient({ place: one.service.address ?? '', clock: systemClock });
  expect((await plain.listShards()).shards).toHaveLength(1);
});

test('a small message that unpacks to more than the ceiling is refused before it is unpacked', async () => {
  const one = await cluster.start('one');
  const packed = gzipSync(Buffer.alloc(64 * mebibyte));
  const body = Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), packed]);
  body.writeUInt32BE(packed.length, 1);
  const session = connect(`http://${one.service.address}`);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/tallystick.v1.ShardService/Apply',
    'content-type': 'application/grpc',
    'grpc-encoding': 'gzip',
    te: 'trailers',
  });
  const ended = Promise.withResolvers<unknown>();
  stream.on('trailers', (trailers) => ended.resolve(trailers['grpc-status']));
  stream.on('response', (headers) => {
    if (headers['grpc-status'] !== undefined) ended.resolve(headers['grpc-status']);
  });
  stream.resume();
  stream.end(body);
  expect(await ended.promise).toBe('8');
  session.destroy();
});

test('listening in the open without TLS is said aloud', async () => {
  const one = await cluster.start('one', { listen: '0.0.0.0:0', insecureListen: true });
  const said = one.log.filter(({ message }) => message.includes('without TLS'));
  expect(said).toMatchObject([{ level: 'warn' }]);
  const two = await cluster.start('two');
  expect(two.log.filter(({ message }) => message.includes('without TLS'))).toEqual([]);
});
