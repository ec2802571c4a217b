/**
 * gRPC calls that a peer should not make: messages of any values, messages changed in some bytes, out of order,
 * cut, compressed, too long, with headers of any kind, and ends in the middle.
 */
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
import { callHostilely, frame, hostileHeaders } from './hostile-call.ts';
import { hostileText, mutate, randomBytes } from './hostile-values.ts';
import { randomMessage } from './random-message.ts';
import { RenewedSession } from './renewed-session.ts';

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
  readonly #random: SeededRandom;
  readonly #versions: readonly StoredVersion[];
  readonly #session: RenewedSession;

  /** Calls go to the server at HOST:PORT; `versions` are what a call may rightly apply. */
  constructor(place: string, random: SeededRandom, versions: readonly StoredVersion[]) {
    this.#random = random;
    this.#versions = versions;
    this.#session = new RenewedSession(`http://${place}`);
  }

  /** Makes one call and waits until it has ended, or gives it up. */
  async call(): Promise<void> {
    const random = this.#random;
    const session = this.#session.next(random);
    const call = random.pick(calls);
    const headers = hostileHeaders(`/tallystick.v1.ShardService/${ShardService.method[call].name}`, random);
    if (random.chance(0.2))
      headers['tallystick-run'] = encodeURIComponent(hostileText(random).toWellFormed());
    await callHostilely(session, { headers, frames: this.#frames(call) }, random);
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
    this.#session[Symbol.dispose]();
  }
}
