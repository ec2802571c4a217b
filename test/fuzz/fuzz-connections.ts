/** Connections whose bytes are no HTTP/2, or HTTP/2 as nobody should speak it; the same of TLS. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as secure, TLSSocket } from 'node:tls';
import type { SeededRandom } from '../support/seeded-random.ts';
import { mutate, pieces, randomBytes } from './hostile-values.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Frame types of RFC 9113, section 6. */
const types = { data: 0, headers: 1, reset: 3, settings: 4, push: 5, ping: 6, goAway: 7, window: 8, more: 9 };

/** Connections are cut after this long: a server may wait for more. */
const connectionMsMax = 300;

/** Opens one connection to HOST:PORT, sends what it should not, and waits until it is gone. */
export async function hostileConnection(place: string, random: SeededRandom): Promise<void> {
  await attack(connect(addressOf(place)), hostileBytes(random), random);
}

/** The same at a place that speaks TLS: within it, or instead of it. */
export async function hostileTls(place: string, random: SeededRandom): Promise<void> {
  const address = addressOf(place);
  if (random.chance(0.4)) {
    const ALPNProtocols = random.pick([['h2'], ['http/1.1'], ['h2', 'http/1.1'], []]);
    await attack(
      secure({ ...address, rejectUnauthorized: false, ALPNProtocols }),
      hostileBytes(random),
      random,
    );
    return;
  }
  const hello = await clientHello();
  const bytes = random.pick([
    () => hello.subarray(0, random.below(hello.length)),
    () => mutate(hello, random),
    () => Buffer.concat([hello, randomBytes(random, random.below(400))]),
    () => Buffer.concat([hello, hello]),
    // Records of any kind and version, with lengths that are not theirs.
    () => Buffer.concat(Array.from({ length: 1 + random.below(20) }, () => tlsRecord(random))),
    () => hostileBytes(random),
  ])();
  await attack(connect(address), bytes, random);
}

function tlsRecord(random: SeededRandom): Buffer {
  const body = randomBytes(random, random.pick([0, 1, 2, 40, 300]));
  const head = Buffer.from([random.pick([20, 21, 22, 23, 24, 255]), 3, random.below(5), 0, 0]);
  head.writeUInt16BE(random.chance(0.7) ? body.length : random.below(65_536), 3);
  return Buffer.concat([head, body]);
}

/** What a client says first, as this Node.js says it. */
async function clientHello(): Promise<Buffer> {
  const said = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer) => said.resolve(chunk),
  });
  const socket = secure({ socket: wire, ALPNProtocols: ['h2'] });
  socket.on('error', () => undefined);
  const hello = await said.promise;
  socket.destroy();
  return hello;
}

function addressOf(place: string): { host: string; port: number } {
  const colon = place.lastIndexOf(':');
  return { host: place.slice(0, colon), port: Number(place.slice(colon + 1)) };
}

async function attack(socket: Socket, bytes: Buffer, random: SeededRandom): Promise<void> {
  socket.on('error', () => socket.destroy());
  const timer = setTimeout(() => socket.destroy(), connectionMsMax);
  const closed = once(socket, 'close');
  // One that never reads fills what the other side may hold for it.
  if (!random.chance(0.1)) socket.resume();
  for (const piece of pieces(bytes, random)) if (!socket.destroyed) socket.write(piece);
  if (random.chance(0.5)) socket.end();
  else if (random.chance(0.2)) {
    // What lies beneath TLS is not reset from above.
    if (socket instanceof TLSSocket) socket.destroy();
    else socket.resetAndDestroy();
  }
  await closed.catch(() => undefined);
  clearTimeout(timer);
}

function hostileBytes(random: SeededRandom): Buffer {
  const settings = frame({ type: types.settings, flags: 0, stream: 0, body: Buffer.alloc(0) });
  const begin = [preface, settings];
  return random.pick([
    () => randomBytes(random, random.below(2_000)),
    () => Buffer.from('GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n'),
    () => preface.subarray(0, random.below(preface.length)),
    () => Buffer.concat([...begin, ...randomFrames(random)]),
    () => mutate(Buffer.concat([...begin, ...randomFrames(random)]), random),
    // A flood of one kind, which costs its sender little.
    () => Buffer.concat([...begin, ...flood(random)]),
  ])();
}

function randomFrames(random: SeededRandom): Buffer[] {
  return Array.from({ length: 1 + random.below(20) }, () =>
    frame({
      type: random.below(12),
      flags: random.below(256),
      stream: random.pick([0, 1, 1, 2, 3, 2 ** 31 - 1]),
      body: randomBytes(random, random.pick([0, 1, 4, 5, 6, 8, 40])),
    }),
  );
}

function flood(random: SeededRandom): Buffer[] {
  const kind = random.pick([
    types.settings,
    types.ping,
    types.reset,
    types.window,
    types.more,
    types.headers,
  ]);
  const body = { [types.ping]: 8, [types.reset]: 4, [types.window]: 4 }[kind] ?? 0;
  return Array.from({ length: 3_000 }, (_, at) =>
    frame({
      type: kind,
      flags: 0,
      stream: kind === types.settings || kind === types.ping ? 0 : 2 * at + 1,
      body: Buffer.alloc(body, 1),
    }),
  );
}

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly body: Buffer;
}

function frame({ type, flags, stream, body }: Frame): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}
