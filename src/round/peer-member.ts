/** Another Tallystick as a member, over the wire. */
import { CodedError } from '../lib/coded-error.ts';
import { holdsShard } from '../peer/held-shards.ts';
import type { PeerClient } from '../peer/peer-client.ts';
import { PeerShardCopy } from '../peer/peer-shard-copy.ts';
import type { BuildOrder, Member, MemberBuildOptions, Offer, OfferedGroup } from './member.ts';

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

  async offer(signal?: AbortSignal): Promise<Offer> {
    const listing = await this.#client.listShards({}, signal);
    this.#name = listing.name;
    const groups = new Map<string, { shards: number; offered: number[] }>();
    for (const { group, shard, settings } of listing.shards) {
      const known = groups.get(group) ?? { shards: settings.shards, offered: [] };
      groups.set(group, known);
      known.offered.push(shard);
    }
    const offered: OfferedGroup[] = [...groups].map(([group, known]) => ({ group, ...known }));
    const trees = new Map(listing.shards.map(({ group, shard, tree }) => [`${group}/${shard}`, tree]));
    return {
      groups: offered,
      tree: (group, shard) => trees.get(`${group}/${shard}`) ?? null,
      holds: (group, shard) => holdsShard(listing.held, group, shard),
    };
  }

  copy(group: string, shard: number): PeerShardCopy {
    return new PeerShardCopy(this.#client, group, shard);
  }

  async build(orders: readonly BuildOrder[], options: MemberBuildOptions = {}): Promise<void> {
    if (orders.length === 0) return;
    const { signal, force = false, onProgress, onBuilt } = options;
    for await (const built of this.#client.build({ targets: orders, force }, signal)) {
      const { group, shard, outcome, reason, generation, root, leaves } = built;
      if (outcome === 'failed') {
        const message = `${this.place} could not build shard ${shard} of group ${group}: ${reason}`;
        throw new CodedError('refused', message, { place: this.place, group, shard });
      }
      if (outcome === 'running') onProgress?.(`building ${this.place} ${group}/${shard}: ${leaves} leaves`);
      else
        await onBuilt?.({
          group,
          shard,
          outcome,
          reason,
          generation: generation ?? 0n,
          root: root ?? Buffer.alloc(0),
          leaves,
        });
    }
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}
