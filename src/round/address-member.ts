/** Whoever listens at HOST:PORT: another Tallystick, or a BanyanDB node. Which of them shows when it is asked. */
import { CodedError } from '../lib/coded-error.ts';
import { isUnknownCall } from '../peer/wire-error.ts';
import type { ListFilter } from '../peer/shard-provider.ts';
import type { ShardCopy } from '../shard-copy/shard-copy.ts';
import type { BanyandbMember } from './banyandb-member.ts';
import type { BuildOrder, Member, MemberBuildOptions, Offer } from './member.ts';
import type { PeerMember } from './peer-member.ts';

export class AddressMember implements Member, Disposable {
  readonly place: string;
  readonly #peer: PeerMember;
  readonly #node: BanyandbMember;
  #member: PeerMember | BanyandbMember;
  #isKnown = false;

  /** Takes over both. */
  constructor(peer: PeerMember, node: BanyandbMember) {
    this.place = peer.place;
    this.#peer = peer;
    this.#node = node;
    this.#member = peer;
  }

  /** Known once it was asked for its offer. */
  get name(): string | null {
    return this.#member.name;
  }

  /** A Tallystick until it says otherwise. */
  get kind(): Member['kind'] {
    return this.#member.kind;
  }

  async offer(signal?: AbortSignal, filter?: ListFilter): Promise<Offer> {
    if (this.#isKnown) return await this.#member.offer(signal, filter);
    try {
      const offer = await this.#peer.offer(signal, filter);
      this.#isKnown = true;
      return offer;
    } catch (error) {
      if (!(error instanceof CodedError) || !isUnknownCall(error)) throw error;
      this.#member = this.#node;
      this.#isKnown = true;
      return await this.#node.offer(signal);
    }
  }

  copy(group: string, shard: number): ShardCopy {
    return this.#member.copy(group, shard);
  }

  async build(orders: readonly BuildOrder[], options?: MemberBuildOptions): Promise<void> {
    await this.#member.build(orders, options);
  }

  [Symbol.dispose](): void {
    this.#peer[Symbol.dispose]();
    this.#node[Symbol.dispose]();
  }
}
