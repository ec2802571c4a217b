/** Bytes that are no call, or no message of it, end their connection or call; the server goes on. */
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { type PeerPair, providerOf, startPair } from '../support/peer-pair.ts';

let pair: PeerPair;

beforeAll(async () => {
  const behind = new MemoryShardCopy();
  behind.build();
  pair = await startPair(providerOf([behind]));
});
afterAll(async () => await pair[Symbol.asyncDispose]());

// Whatever was done to it, it serves the next.
afterEach(async () => {
  expect((await pair.client.listShards()).shards).toHaveLength(1);
});

describe('bytes that are no call', () => {
  const ended = async (write: (socket: Socket) => void): Promise<void> => {
    const socket = connect({ host: '127.0.0.1', port: pair.port });
    socket.on('error', () => socket.destroy());
    socket.resume();
    socket.once('connect', () => write(socket));
    await new Promise((resolve) => socket.once('close', resolve));
  };
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

  test('noise', async () => await ended((socket) => socket.write(Buffer.alloc(70_000, 0xa5))));
  test('a web browser', async () =>
    await ended((socket) => socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')));
  test('frames that are none', async () =>
    await ended((socket) => socket.write(preface + 'x'.repeat(1_000))));
  test('a connection cut at once', async () => await ended((socket) => socket.destroy()));

  /** Status and trailers of one HTTP/2 request with a body as given. */
  async function post(path: string, body: Uint8Array): Promise<Record<string, unknown>> {
    const session = connectHttp2(`http://127.0.0.1:${pair.port}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const answer: Record<string, unknown> = {};
    stream.on('response', (headers) => Object.assign(answer, headers));
    stream.on('trailers', (trailers) => Object.assign(answer, trailers));
    stream.resume();
    stream.end(body);
    await new Promise((resolve) => stream.once('close', resolve));
    session.close();
    return answer;
  }
  const list = '/tallystick.v1.ShardService/ListShards';
  const framed = (flags: number, bytes: Uint8Array): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt8(flags, 0);
    head.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  };

  test.each<[string, string, Uint8Array, object]>([
    [
      'of an unknown call',
      '/tallystick.v1.ShardService/Nothing',
      framed(0, Buffer.alloc(0)),
      { 'grpc-status': '12' },
    ],
    ['that is no protobuf', list, framed(0, Buffer.alloc(20, 0xff)), { 'grpc-status': '13' }],
    [
      'that is cut',
      list,
      framed(0, Buffer.alloc(20)).subarray(0, 9),
      { 'grpc-status': expect.not.stringMatching(/^0$/) },
    ],
    ['that announces 4 GB', list, Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), { 'grpc-status': '8' }],
    [
      'that says it is compressed',
      list,
      framed(1, Buffer.alloc(9)),
      { 'grpc-status': expect.not.stringMatching(/^0$/) },
    ],
    [
      'with unknown members',
      list,
      framed(0, Buffer.from([0xfa, 0x07, 0x02, 0x61, 0x62])),
      { 'grpc-status': '0' },
    ],
  ])('a message %s', async (_, path, body, answer) => {
    expect(await post(path, body)).toMatchObject(answer);
  });
});
