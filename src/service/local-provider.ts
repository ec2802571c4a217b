/** What this replica offers its peers: the shards of its data root that belong to it, and builds of their trees. */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { type HeldShards, holdsShard } from '../peer/held-shards.ts';
import type {
  BuildProgress,
  BuildRequest,
  ListFilter,
  ShardListing,
  ShardProvider,
} from '../peer/shard-provider.ts';
import { listGroups, readGroupSettings } from '../property-index/data-root.ts';
import type { ApplyThread } from '../shard-copy/apply-thread.ts';
import { LocalShardCopy } from '../shard-copy/local-shard-copy.ts';
import type { ViewDescription } from '../shard-copy/shard-copy.ts';
import type { OnDamage } from '../tree/tree-directory.ts';
import type { TreeBuilder } from '../tree/tree-builder.ts';

export interface LocalProviderOptions {
  readonly name: string;
  readonly instance: bigint;
  readonly root: string;
  readonly held: HeldShards;
  readonly clock: Clock;
  readonly builder: TreeBuilder;
  readonly applyThread: ApplyThread;
  readonly onDamage: OnDamage;
}

export class LocalProvider implements ShardProvider {
  readonly name: string;
  readonly instance: bigint;
  readonly held: HeldShards;
  readonly #options: LocalProviderOptions;

  constructor(options: LocalProviderOptions) {
    this.name = options.name;
    this.instance = options.instance;
    this.held = options.held;
    this.#options = options;
  }

  async list(filter: ListFilter, signal: AbortSignal): Promise<ShardListing[]> {
    const { root } = this.#options;
    const listings: ShardListing[] = [];
    for (const group of await listGroups(root)) {
      if (filter.group !== undefined && filter.group !== group) continue;
      const settings = await readGroupSettings(root, group);
      if (settings === null) continue;
      for (let shard = 0; shard < settings.shards; shard += 1) {
        if (filter.shard !== undefined && filter.shard !== shard) continue;
        if (!holdsShard(this.held, group, shard)) continue;
        listings.push({ group, shard, settings, tree: await this.#describe(group, shard, signal) });
      }
    }
    return listings;
  }

  async #describe(group: string, shard: number, signal: AbortSignal): Promise<ViewDescription | null> {
    try {
      await using view = await this.#copy(group, shard).openView({ signal });
      return view.description;
    } catch (error) {
      if (error instanceof CodedError && error.code === 'no-tree') return null;
      throw error;
    }
  }

  #copy(group: string, shard: number, place = this.#options.root): LocalShardCopy {
    const { root, clock, applyThread, onDamage } = this.#options;
    return new LocalShardCopy({
      root,
      group,
      shard,
      place,
      clock,
      applyThread,
      onDamage,
      mayBuild: () => true,
    });
  }

  /** As {@link copy}, of a shard that is held here, under the name `place` in reports. */
  copyAt(group: string, shard: number, place: string): LocalShardCopy {
    return this.#copy(group, shard, place);
  }

  async copy(group: string, shard: number): Promise<LocalShardCopy> {
    if (!holdsShard(this.held, group, shard)) {
      throw new CodedError('not-found', `${this.name} does not hold shard ${shard} of group ${group}`, {
        group,
        shard,
      });
    }
    return this.#copy(group, shard);
  }

  async *build(request: BuildRequest, signal: AbortSignal): AsyncGenerator<BuildProgress> {
    for (const { group, shard, settings } of await this.#targets(request, signal)) {
      const about = { group, shard, generation: null, root: null, reason: null };
      yield { ...about, outcome: 'running', leaves: 0 };
      try {
        const { root, builder, onDamage } = this.#options;
        const identity = { root, group, shard };
        const built = await builder.build({ identity, settings, force: request.force, signal, onDamage });
        const { outcome, leaves, generation, reason } = built;
        yield { group, shard, outcome, leaves, generation, root: built.root, reason };
      } catch (error) {
        if (signal.aborted) throw error;
        yield { ...about, outcome: 'failed', leaves: 0, reason: CodedError.from(error).message };
      }
    }
  }

  async #targets({ targets }: BuildRequest, signal: AbortSignal): Promise<ShardListing[]> {
    const all = await this.list({}, signal);
    if (targets.length === 0) return all;
    return all.filter(({ group, shard }) =>
      targets.some((target) => target.group === group && (target.shard === null || target.shard === shard)),
    );
  }
}
