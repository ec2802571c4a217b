/** A data root of ours on this machine as a member; its trees are built in the builder's thread. */
import type { Clock } from '../lib/clock.ts';
import type { CodedError } from '../lib/coded-error.ts';
import { listGroups, readGroupSettings } from '../property-index/data-root.ts';
import { servedBy } from '../property-index/served-mark.ts';
import type { ApplyThread } from '../shard-copy/apply-thread.ts';
import { LocalShardCopy } from '../shard-copy/local-shard-copy.ts';
import type { TreeBuilder } from '../tree/tree-builder.ts';
import type { BuildOrder, Member, MemberBuildOptions, Offer, OfferedGroup } from './member.ts';

export interface RootMemberOptions {
  readonly root: string;
  readonly clock: Clock;
  readonly builder: TreeBuilder;
  /** Writes in a thread of its own, so that a round goes on meanwhile; without it the calling thread does. */
  readonly applyThread?: ApplyThread | undefined;
  /** Told of damaged trees that were passed over or set aside. */
  readonly onDamage?: ((path: string, error: CodedError) => void) | undefined;
}

export class RootMember implements Member {
  readonly place: string;
  readonly name = null;
  readonly kind = 'root';
  readonly #options: RootMemberOptions;
  /** Trees are built here, so this is no mere comparison. */
  #built = false;

  constructor(options: RootMemberOptions) {
    this.place = options.root;
    this.#options = options;
  }

  async offer(): Promise<Offer> {
    const { root } = this.#options;
    const groups: OfferedGroup[] = [];
    for (const group of await listGroups(root)) {
      const settings = await readGroupSettings(root, group);
      if (settings === null) continue;
      groups.push({
        group,
        shards: settings.shards,
        offered: Array.from({ length: settings.shards }, (_, shard) => shard),
      });
    }
    // A local tree is opened where it is compared; nothing is saved by asking for it here.
    return { groups, tree: () => null, holds: () => true, instance: await servedBy(root) };
  }

  copy(group: string, shard: number): LocalShardCopy {
    const { root, clock, applyThread, onDamage } = this.#options;
    return new LocalShardCopy({
      root,
      group,
      shard,
      clock,
      applyThread,
      onDamage,
      mayBuild: () => this.#built,
    });
  }

  async build(orders: readonly BuildOrder[], options: MemberBuildOptions = {}): Promise<void> {
    const { root, builder, onDamage } = this.#options;
    const { signal, force = false, onProgress, onBuilt } = options;
    this.#built = true;
    for (const { group, shard } of orders) {
      const settings = await readGroupSettings(root, group);
      // An absent group is a copy with nothing in it: there is nothing to build yet.
      if (settings === null) continue;
      const {
        outcome,
        reason,
        generation,
        leaves,
        root: digest,
      } = await builder.build({
        identity: { root, group, shard },
        settings,
        force,
        signal,
        onDamage,
        onProgress: ({ phase, done, total }) =>
          onProgress?.(`building ${root} ${group}/${shard}: ${phase} ${done} of ${total}`),
      });
      await onBuilt?.({ group, shard, outcome, reason, generation, root: digest, leaves });
    }
  }
}
