/** Which shards belong to a replica: all of every group, or those its settings list. Told in every listing. */

/** A group of which a replica holds shards. */
export interface HeldGroup {
  readonly group: string;
  /** Null for all shards of the group. */
  readonly shards: readonly number[] | null;
}

/** What a replica holds; null for everything. */
export type HeldShards = readonly HeldGroup[] | null;

/** Groups in a list of held shards: far more than there are. */
export const heldGroupsMax = 10_000;

/** Whether the shard belongs to a replica that holds `held`. */
export function holdsShard(held: HeldShards, group: string, shard: number): boolean {
  if (held === null) return true;
  const found = held.find((one) => one.group === group);
  return found !== undefined && (found.shards === null || found.shards.includes(shard));
}
