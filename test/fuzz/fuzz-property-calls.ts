/**
 * gRPC calls over TLS that an application should not make: PropertyService with messages of any values, changed in some
 * bytes, cut and framed wrongly, by callers with no token, a forged one, one that may only look, and one that may write.
 */
import { create, type DescMethod, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  ApplyRequestSchema,
  DeleteRequestSchema,
  PropertyService,
  QueryRequestSchema,
} from '../../src/banyandb/generated/banyandb/property/v1/rpc_pb.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { type Credential, hostileCredential, tokens } from './credentials.ts';
import { callHostilely, frame, hostileHeaders } from './hostile-call.ts';
import { hostileText, mutate, randomBytes } from './hostile-values.ts';
import { randomMessage } from './random-message.ts';
import { RenewedSession } from './renewed-session.ts';

const methods = Object.values(PropertyService.method) as DescMethod[];

/** gRPC's number for a call that is done. */
const ok = '0';

export class FuzzPropertyCalls implements Disposable {
  /** Entities that somebody who may write asked to write or to delete, joined; all others stay as they are. */
  readonly asked = new Set<string>();
  readonly #random: SeededRandom;
  readonly #session: RenewedSession;

  /** Calls go to the server at HOST:PORT. */
  constructor(place: string, random: SeededRandom) {
    this.#random = random;
    this.#session = new RenewedSession(`https://${place}`);
  }

  /** Makes one call and waits until it has ended. Throws where one was done that its caller may not make. */
  async call(): Promise<void> {
    const random = this.#random;
    const session = this.#session.next(random);
    const writer: Credential = { authorization: `Bearer ${tokens.writer}`, role: 'writer' };
    const credential = random.chance(0.3) ? writer : hostileCredential(random);
    const { authorization, role } = credential;
    const method = random.pick(methods);
    const path = `/${PropertyService.typeName}/${method.name}`;
    const headers = hostileHeaders(path, random);
    if (authorization !== null) headers['authorization'] = authorization;
    const frames = this.#frames(method);
    if (role === 'writer') for (const bytes of frames) this.#note(bytes);
    const { grpcStatus } = await callHostilely(session, { headers, frames }, random);
    const mayBe = role === 'writer' || (role === 'viewer' && method.name === 'Query');
    if (grpcStatus === ok && headers[':path'] === path && !mayBe)
      throw new Error(`${method.name} was done for ${role}, who showed ${authorization}`);
  }

  #proper(name: string): Buffer {
    const random = this.#random;
    const entity = { group: 'app', name: 'n', id: random.pick(['1', '2', 'made']) };
    const tags = [
      {
        key: 't',
        value: { value: { case: 'str' as const, value: { value: hostileText(random).toWellFormed() } } },
      },
    ];
    const { group, ...rest } = entity;
    switch (name) {
      case 'Apply': {
        const property = { metadata: { group, name: rest.name }, id: rest.id, tags };
        return Buffer.from(toBinary(ApplyRequestSchema, create(ApplyRequestSchema, { property })));
      }
      case 'Delete':
        return Buffer.from(toBinary(DeleteRequestSchema, create(DeleteRequestSchema, entity)));
      default:
        return Buffer.from(
          toBinary(QueryRequestSchema, create(QueryRequestSchema, { groups: ['app'], limit: 10 })),
        );
    }
  }

  #frames({ name, input }: DescMethod): Buffer[] {
    const random = this.#random;
    const proper = this.#proper(name);
    const messages = random.pick([
      () => [proper],
      () => [mutate(proper, random)],
      () => [randomMessage(input, random)],
      () => [randomMessage(random.pick(methods).input, random)],
      () => [proper, proper],
      () => [],
      () => [randomBytes(random, random.below(200))],
      // Above what a request may hold.
      () => [Buffer.alloc(random.chance(0.1) ? 24 * 1024 * 1024 : 100_000, random.pick([0, 0x0a, 0xff]))],
    ])();
    const framed = messages.map((bytes) => frame(bytes, random));
    return random.chance(0.1) ? [mutate(Buffer.concat(framed), random)] : framed;
  }

  /** Notes what the first message in these bytes may rightly ask for, whichever call it is sent to. */
  #note(bytes: Buffer): void {
    if (bytes.length < 5 || bytes.readUInt32BE(1) > bytes.length - 5) return;
    const body = bytes.subarray(5, 5 + bytes.readUInt32BE(1));
    try {
      const { property } = fromBinary(ApplyRequestSchema, body);
      this.asked.add(`${property?.metadata?.group}/${property?.metadata?.name}/${property?.id}`);
    } catch {
      // It asks for no write.
    }
    try {
      const { group, name, id } = fromBinary(DeleteRequestSchema, body);
      this.asked.add(`${group}/${name}/${id}`);
    } catch {
      // It asks for no delete.
    }
  }

  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
  }
}
