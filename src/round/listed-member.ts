/** What replicas of ours have in common as members, here or over the wire: their listing as an offer, their builds as told. */
import { CodedError } from '../lib/coded-error.ts';
import { type HeldShards, holdsShard } from '../peer/held-shards.ts';
import type { BuildProgress, ShardListing } from '../peer/shard-provider.ts';
import type { MemberBuildOptions, Offer } from './member.ts';

/** A replica's listing of its shards; `held` says which belong to it, `instance` is 0 where it does not tell. */
export interface ReplicaListing {
  readonly shards: readonly ShardListing[];
  readonly held: HeldShards;
  readonly instance: bigint;
}

/** The offer of a replica that lists its shards. */
export function offerOfListing({ shards: listings, held, instance }: ReplicaListing): Offer {
  const groups = new Map<string, { group: string; shards: number; offered: number[] }>();
  for (const { group, shard, settings } of listings) {
    const known = groups.get(group) ?? { group, shards: settings.shards, offered: [] };
    groups.set(group, known);
    known.offered.push(shard);
  }
  const trees = new Map(listings.map(({ group, shard, tree }) => [`${shard}/${group}`, tree]));
  return {
    groups: [...groups.values()],
    tree: (group, shard) => trees.get(`${shard}/${group}`) ?? null,
    holds: (group, shard) => holdsShard(held, group, shard),
    instance: instance === 0n ? null : instance,
  };
}

/** Tells how builds at `place` go on. Throws `refused` for one that failed. */
export async function relayBuild(
  place: string,
  progress: AsyncIterable<BuildProgress>,
  { onBuilt, onProgress }: MemberBuildOptions,
): Promise<void> {
  for await (const { group, shard, outcome, reason, generation, root, leaves } of progress) {
    if (outcome === 'failed') {
      const message = `${place} could not build shard ${shard} of group ${group}: ${reason}`;
      throw new CodedError('refused', message, { place, group, shard });
    }
    if (outcome === 'running') {
      onProgress?.(`building ${place} ${group}/${shard}: ${leaves} leaves`);
      continue;
    }
    const tree = { generation: generation ?? 0n, root: root ?? Buffer.alloc(0), leaves };
    await onBuilt?.({ group, shard, outcome, reason, ...tree });
  }
}
