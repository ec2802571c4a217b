/**
 * gRPC calls that a peer should not make: messages of any values, messages changed in some bytes, out of order,
 * cut, compressed, too long, with headers of any kind, and ends in the middle.
 */
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  ApplyRequestSchema,
  BuildRequestSchema,
  FetchRequestSchema,
  LeavesRequestSchema,
  ListShardsRequestSchema,
  ShardService,
  SlotsRequestSchema,
  Spelling,
} from '../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { toWireVersion } from '../../src/peer/wire-version.ts';
import type { StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { hostileText, mutate, pieces, randomBytes } from './hostile-values.ts';
import { randomMessage } from './random-message.ts';

/** A call that is not ended by then is given up; a server may wait for what its peer did not send. */
const callMsMax = 2_000;

/** How a call that holds to the protocol would look: what mutations begin with. */
function properMessages(
  call: keyof typeof ShardService.method,
  versions: readonly StoredVersion[],
): Buffer[] {
  const place = { group: 'keep', shard: 0 };
  const settings = { shards: 2, slots: 32, spelling: Spelling.COMPACT };
  switch (call) {
    case 'listShards':
      return [Buffer.from(toBinary(ListShardsRequestSchema, create(ListShardsRequestSchema, place)))];
    case 'slots':
      return [Buffer.from(toBinary(SlotsRequestSchema, create(SlotsRequestSchema, place)))];
    case 'leaves': {
      const request = create(LeavesRequestSchema, { ...place, lease: 1n, slots: [0, 1, 2, 31] });
      return [Buffer.from(toBinary(LeavesRequestSchema, request))];
    }
    case 'build':
      return [Buffer.from(toBinary(BuildRequestSchema, create(BuildRequestSchema, { targets: [place] })))];
    case 'fetch':
      return [{ start: place }, { keys: versions.map(({ key }) => key) }].map((members) =>
        Buffer.from(toBinary(FetchRequestSchema, create(FetchRequestSchema, members))),
      );
    case 'apply':
      return [
        { start: { ...place, settings } },
        { versions: versions.map(toWireVersion), batch: 1 },
        { versions: versions.map(toWireVersion), batch: 2 },
      ].map((members) => Buffer.from(toBinary(ApplyRequestSchema, create(ApplyRequestSchema, members))));
  }
}

const calls = Object.keys(ShardService.method) as (keyof typeof ShardService.method)[];

export class FuzzCalls implements Disposable {
  readonly #place: string;
  readonly #random: SeededRandom;
  readonly #versions: readonly StoredVersion[];
  #session: ClientHttp2Session;

  /** Calls go to the server at HOST:PORT; `versions` are what a call may rightly apply. */
  constructor(place: string, random: SeededRandom, versions: readonly StoredVersion[]) {
    this.#place = place;
    this.#random = random;
    this.#versions = versions;
    this.#session = this.#connect();
  }

  #connect(): ClientHttp2Session {
    const session = connect(`http://${this.#place}`);
    session.on('error', () => session.destroy());
    return session;
  }

  /** Makes one call and waits until it has ended, or gives it up. */
  async call(): Promise<void> {
    const random = this.#random;
    if (this.#session.destroyed || this.#session.closed || random.chance(0.02)) {
      this.#session.destroy();
      this.#session = this.#connect();
    }
    const call = random.pick(calls);
    const stream = this.#session.request(this.#headers(ShardService.method[call].name));
    stream.on('error', () => stream.close());
    const ended = once(stream, 'close');
    const timer = setTimeout(() => stream.destroy(), callMsMax);
    // A peer that does not read is as possible as one that does.
    if (!random.chance(0.05)) stream.resume();
    for (const bytes of this.#frames(call)) {
      for (const piece of pieces(bytes, random)) if (!stream.destroyed) stream.write(piece);
    }
    if (random.chance(0.1)) stream.destroy();
    else if (!random.chance(0.05)) stream.end();
    await ended.catch(() => undefined);
    clearTimeout(timer);
  }

  #headers(name: string): Record<string, string> {
    const random = this.#random;
    const headers: Record<string, string> = {
      ':method': random.chance(0.97) ? 'POST' : random.pick(['GET', 'PUT', 'OPTIONS']),
      ':path': random.chance(0.97)
        ? `/tallystick.v1.ShardService/${name}`
        : `/${encodeURIComponent(hostileText(random).toWellFormed())}`,
      'content-type': random.chance(0.95)
        ? 'application/grpc'
        : random.pick(['application/json', 'text/plain']),
      te: 'trailers',
    };
    if (random.chance(0.2))
      headers['grpc-timeout'] = random.pick(['1n', '0S', '99999999H', '-1S', 'x', '1000m']);
    if (random.chance(0.1)) headers['grpc-encoding'] = random.pick(['gzip', 'identity', 'deflate', 'x']);
    if (random.chance(0.2))
      headers['tallystick-run'] = encodeURIComponent(hostileText(random).toWellFormed());
    return headers;
  }

  #frames(call: keyof typeof ShardService.method): Buffer[] {
    const random = this.#random;
    const { input } = ShardService.method[call];
    const proper = properMessages(call, random.subset(this.#versions, 0).slice(0, 8));
    const messages = random.pick([
      () => proper,
      () => proper.map((bytes) => (random.chance(0.5) ? mutate(bytes, random) : bytes)),
      () => Array.from({ length: random.below(4) }, () => randomMessage(input, random)),
      () => [...random.subset(proper, 0), randomMessage(input, random)],
      () => [...proper].reverse(),
      () => [randomBytes(random, random.below(200))],
    ])();
    const framed = messages.map((bytes) => frame(bytes, random));
    return random.chance(0.1) ? [mutate(Buffer.concat(framed), random)] : framed;
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}

/** A message with its length before it, which now and then is another, or with flags that say more than is true. */
function frame(bytes: Buffer, random: SeededRandom): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(random.chance(0.97) ? 0 : random.below(256), 0);
  const length = random.chance(0.97)
    ? bytes.length
    : random.pick([0, bytes.length + 1, 2 ** 24, 2 ** 32 - 1]);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}
