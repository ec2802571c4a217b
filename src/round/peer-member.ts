/** Another Tallystick as a member, over the wire. */
import type { PeerClient } from '../peer/peer-client.ts';
import { PeerShardCopy } from '../peer/peer-shard-copy.ts';
import type { ListFilter } from '../peer/shard-provider.ts';
import { offerOfListing, relayBuild } from './listed-member.ts';
import type { BuildOrder, Member, MemberBuildOptions, Offer } from './member.ts';

export class PeerMember implements Member, Disposable {
  readonly place: string;
  readonly kind = 'tallystick';
  readonly #client: PeerClient;
  #name: string | null = null;

  /** Takes over the client. */
  constructor(client: PeerClient) {
    this.place = client.place;
    this.#client = client;
  }

  /** Known once it was asked for its offer. */
  get name(): string | null {
    return this.#name;
  }

  async offer(signal?: AbortSignal, filter: ListFilter = {}): Promise<Offer> {
    const listing = await this.#client.listShards(filter, signal);
    this.#name = listing.name;
    return offerOfListing(listing);
  }

  copy(group: string, shard: number): PeerShardCopy {
    return new PeerShardCopy(this.#client, group, shard);
  }

  async build(orders: readonly BuildOrder[], options: MemberBuildOptions = {}): Promise<void> {
    if (orders.length === 0) return;
    const { signal, force = false } = options;
    await relayBuild(this.place, this.#client.build({ targets: orders, force }, signal), options);
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}
