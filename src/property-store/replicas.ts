/** The other replicas of a shard, as writes are sent on to them and as they are asked for what is not held here. */
import type { GroupSettings } from '../property/group-settings.ts';
import type { ShardCopy } from '../shard-copy/shard-copy.ts';

export interface OtherReplica {
  /** HOST:PORT. */
  readonly place: string;
  copy(group: string, shard: number): ShardCopy;
}

export interface OtherReplicas {
  /** Those that hold the shard, as far as is known: one that never told counts as holding it. */
  holding(group: string, shard: number): readonly OtherReplica[];
  /** Settings of a group that another replica has; null where none is known to. */
  groupSettings(group: string): GroupSettings | null;
}
