/**
 * A BanyanDB data node as a member. It cannot list what it has, and a shard that it is asked for and does not have it
 * makes: so its shards come from the cluster's registry, or from who knows the cluster.
 */
import type { BanyandbNode } from '../banyandb/banyandb-node.ts';
import type { ClusterGroup } from '../banyandb/cluster-registry.ts';
import { defaultPushesPerSecond } from '../banyandb/node-limits.ts';
import { type NodeCopyOptions, NodeShardCopy } from '../banyandb/node-shard-copy.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { Member, Offer } from './member.ts';

export interface BanyandbMemberOptions extends NodeCopyOptions {
  /** What the cluster has, as a liaison or the user says. Throws `bad-argument` where nobody does. */
  readonly groups: (signal?: AbortSignal) => Promise<readonly ClusterGroup[]>;
}

export class BanyandbMember implements Member, Disposable {
  readonly place: string;
  readonly kind = 'banyandb';
  readonly #node: BanyandbNode;
  readonly #options: BanyandbMemberOptions;
  readonly #shards = new Map<string, number>();
  /** By group and shard: a copy remembers the tree it read. */
  readonly #copies = new Map<string, NodeShardCopy>();

  /** Takes over the node. */
  constructor(node: BanyandbNode, options: BanyandbMemberOptions) {
    this.place = node.place;
    this.#node = node;
    this.#options = options;
  }

  get name(): string | null {
    return this.#node.name;
  }

  /** Most versions a second that are pushed to it; 0 for no limit. */
  get pushRate(): number {
    return this.#options.pushesPerSecond ?? defaultPushesPerSecond;
  }

  async offer(signal?: AbortSignal): Promise<Offer> {
    await this.#node.repair(signal);
    const known = await this.#options.groups(signal);
    const { name } = this.#node;
    for (const { group, shards } of known) this.#shards.set(group, shards);
    const groups = known.map(({ group, shards, holders }) => ({
      group,
      shards,
      offered: Array.from({ length: shards }, (_, shard) => shard).filter(
        (shard) => holders === null || name === null || holders[shard]?.has(name) === true,
      ),
    }));
    return {
      groups: groups.filter(({ offered }) => offered.length > 0),
      tree: () => null,
      // What the registry does not place here must not be asked for.
      holds: () => false,
      holders: (group, shard) => known.find((one) => one.group === group)?.holders?.[shard] ?? null,
    };
  }

  copy(group: string, shard: number): NodeShardCopy {
    const shards = this.#shards.get(group) ?? null;
    if (shards !== null && shard >= shards) {
      const message = `group ${group} of ${this.place} has ${shards} shards; there is no shard ${shard}`;
      throw new CodedError('not-found', message, { place: this.place, group, shard });
    }
    const id = `${group}/${shard}`;
    const copy =
      this.#copies.get(id) ?? new NodeShardCopy(this.#node, { group, shard, shards }, this.#options);
    this.#copies.set(id, copy);
    return copy;
  }

  /** A node builds its trees by itself: on its schedule, and after it was pushed to. */
  async build(): Promise<void> {}

  [Symbol.dispose](): void {
    for (const copy of this.#copies.values()) copy[Symbol.dispose]();
    this.#node[Symbol.dispose]();
  }
}
