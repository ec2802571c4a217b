/** Connections whose bytes are no HTTP/2, or HTTP/2 as nobody should speak it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { SeededRandom } from '../support/seeded-random.ts';
import { mutate, pieces, randomBytes } from './hostile-values.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Frame types of RFC 9113, section 6. */
const types = { data: 0, headers: 1, reset: 3, settings: 4, push: 5, ping: 6, goAway: 7, window: 8, more: 9 };

/** Connections are cut after this long: a server may wait for more. */
const connectionMsMax = 300;

/** Opens one connection to HOST:PORT, sends what it should not, and waits until it is gone. */
export async function hostileConnection(place: string, random: SeededRandom): Promise<void> {
  const colon = place.lastIndexOf(':');
  const socket = connect({ host: place.slice(0, colon), port: Number(place.slice(colon + 1)) });
  socket.on('error', () => socket.destroy());
  const timer = setTimeout(() => socket.destroy(), connectionMsMax);
  const closed = once(socket, 'close');
  // One that never reads fills what the other side may hold for it.
  if (!random.chance(0.1)) socket.resume();
  for (const piece of pieces(hostileBytes(random), random)) if (!socket.destroyed) socket.write(piece);
  if (random.chance(0.5)) socket.end();
  else if (random.chance(0.2)) socket.resetAndDestroy();
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
