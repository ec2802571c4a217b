/** This replica itself as a member of its rounds: its shards as it offers them to peers, its trees by its own builder. */
import { CodedError } from '../lib/coded-error.ts';
import { holdsShard } from '../peer/held-shards.ts';
import type { BuildOrder, Member, MemberBuildOptions, Offer, OfferedGroup } from '../round/member.ts';
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

  async offer(signal: AbortSignal = new AbortController().signal): Promise<Offer> {
    const listings = await this.#provider.list({}, signal);
    const groups = new Map<string, { shards: number; offered: number[] }>();
    for (const { group, shard, settings } of listings) {
      const known = groups.get(group) ?? { shards: settings.shards, offered: [] };
      groups.set(group, known);
      known.offered.push(shard);
    }
    const offered: OfferedGroup[] = [...groups].map(([group, known]) => ({ group, ...known }));
    return {
      groups: offered,
      tree: (group, shard) =>
        listings.find((one) => one.group === group && one.shard === shard)?.tree ?? null,
      holds: (group, shard) => holdsShard(this.#provider.held, group, shard),
    };
  }

  copy(group: string, shard: number): LocalShardCopy {
    return this.#provider.copyAt(group, shard, this.place);
  }

  async build(orders: readonly BuildOrder[], options: MemberBuildOptions = {}): Promise<void> {
    if (orders.length === 0) return;
    const { signal = new AbortController().signal, force = false, onBuilt, onProgress } = options;
    for await (const built of this.#provider.build({ targets: orders, force }, signal)) {
      const { group, shard, outcome, reason, generation, root, leaves } = built;
      if (outcome === 'failed') {
        const message = `shard ${shard} of group ${group} could not be built here: ${reason}`;
        throw new CodedError('refused', message, { place: this.place, group, shard });
      }
      if (outcome === 'running') onProgress?.(`building ${group}/${shard}`);
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
}
