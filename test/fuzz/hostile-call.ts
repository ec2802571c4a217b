/** One gRPC call as nobody should make it: its headers, its frames, how it is sent and left. */
import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import type { SeededRandom } from '../support/seeded-random.ts';
import { hostileText, pieces } from './hostile-values.ts';

/** A call that is not ended by then is given up; a server may wait for what its peer did not send. */
const callMsMax = 2_000;

/** What was answered; null where no headers or no trailers came. */
export interface CallAnswer {
  readonly grpcStatus: string | null;
}

/** Makes a call and waits until it has ended, or gives it up. */
export async function callHostilely(
  session: ClientHttp2Session,
  { headers, frames }: { readonly headers: Record<string, string>; readonly frames: readonly Buffer[] },
  random: SeededRandom,
): Promise<CallAnswer> {
  const stream = session.request(headers);
  let grpcStatus: string | null = null;
  const note = (told: Record<string, unknown>): void => {
    if (typeof told['grpc-status'] === 'string') grpcStatus = told['grpc-status'];
  };
  stream.on('response', note);
  stream.on('trailers', note);
  stream.on('error', () => stream.close());
  const ended = once(stream, 'close');
  const timer = setTimeout(() => stream.destroy(), callMsMax);
  // A peer that does not read is as possible as one that does.
  if (!random.chance(0.05)) stream.resume();
  for (const bytes of frames) {
    for (const piece of pieces(bytes, random)) if (!stream.destroyed) stream.write(piece);
  }
  if (random.chance(0.1)) stream.destroy();
  else if (!random.chance(0.05)) stream.end();
  await ended.catch(() => undefined);
  clearTimeout(timer);
  return { grpcStatus };
}

/** Mostly those of a call of `path`. */
export function hostileHeaders(path: string, random: SeededRandom): Record<string, string> {
  const headers: Record<string, string> = {
    ':method': random.chance(0.97) ? 'POST' : random.pick(['GET', 'PUT', 'OPTIONS']),
    ':path': random.chance(0.97) ? path : `/${encodeURIComponent(hostileText(random).toWellFormed())}`,
    'content-type': random.chance(0.95)
      ? 'application/grpc'
      : random.pick(['application/json', 'text/plain']),
    te: 'trailers',
  };
  if (random.chance(0.2))
    headers['grpc-timeout'] = random.pick(['1n', '0S', '99999999H', '-1S', 'x', '1000m']);
  if (random.chance(0.1)) headers['grpc-encoding'] = random.pick(['gzip', 'identity', 'deflate', 'x']);
  return headers;
}

/** A message with its length before it, which now and then is another, or with flags that say more than is true. */
export function frame(bytes: Buffer, random: SeededRandom): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(random.chance(0.97) ? 0 : random.below(256), 0);
  const length = random.chance(0.97)
    ? bytes.length
    : random.pick([0, bytes.length + 1, 2 ** 24, 2 ** 32 - 1]);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}
