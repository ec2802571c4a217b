/** This replica itself as a member of its rounds: its shards as it offers them to peers, its trees by its own builder. */
import type { ListFilter } from '../peer/shard-provider.ts';
import { offerOfListing, relayBuild } from '../round/listed-member.ts';
import type { BuildOrder, Member, MemberBuildOptions, Offer } from '../round/member.ts';
import type { LocalShardCopy } from '../shard-copy/local-shard-copy.ts';
import type { LocalProvider } from './local-provider.ts';

export class LocalMember implements Member {
  readonly place: string;
  readonly name: string;
  readonly kind = 'root';
  readonly #provider: LocalProvider;

  constructor(provider: LocalProvider, place: string) {
    this.#provider = provider;
    this.place = place;
    this.name = provider.name;
  }

  async offer(signal: AbortSignal = new AbortController().signal, filter: ListFilter = {}): Promise<Offer> {
    const { held, instance } = this.#provider;
    return offerOfListing({ shards: await this.#provider.list(filter, signal), held, instance });
  }

  copy(group: string, shard: number): LocalShardCopy {
    return this.#provider.copyAt(group, shard, this.place);
  }

  async build(orders: readonly BuildOrder[], options: MemberBuildOptions = {}): Promise<void> {
    if (orders.length === 0) return;
    const { signal = new AbortController().signal, force = false } = options;
    await relayBuild(this.place, this.#provider.build({ targets: orders, force }, signal), options);
  }
}
