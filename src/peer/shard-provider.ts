/** What a peer server offers, and what it needs to offer it: it does not know how shard copies are made. */
import type { GroupSettings } from '../property/group-settings.ts';
import type { HeldShards } from './held-shards.ts';
import type { ShardCopy, ViewDescription } from '../shard-copy/shard-copy.ts';

/** One shard of a replica as a listing tells it. */
export interface ShardListing {
  readonly group: string;
  readonly shard: number;
  readonly settings: GroupSettings;
  /** Its newest tree; null where none has been built. */
  readonly tree: ViewDescription | null;
}

export interface ListFilter {
  readonly group?: string;
  readonly shard?: number;
}

export interface BuildTarget {
  readonly group: string;
  /** Null for all shards of the group. */
  readonly shard: number | null;
}

export interface BuildRequest {
  /** Empty for all shards. */
  readonly targets: readonly BuildTarget[];
  /** Build unchanged shards too. */
  readonly force: boolean;
}

export interface BuildProgress {
  readonly group: string;
  readonly shard: number;
  readonly outcome: 'running' | 'built' | 'skipped' | 'failed';
  /** Leaves so far, or of the tree. */
  readonly leaves: number;
  readonly generation: bigint | null;
  readonly root: Buffer | null;
  /** Why it was skipped or failed. */
  readonly reason: string | null;
}

export interface ShardProvider {
  /** What this replica calls itself. */
  readonly name: string;
  /** Drawn at random for each run of the program; 0 for none. */
  readonly instance: bigint;
  /** Which shards belong to this replica, present or not. */
  readonly held: HeldShards;
  /** Every shard this replica holds, groups in byte order, shards ascending. */
  list(filter: ListFilter, signal: AbortSignal): Promise<readonly ShardListing[]>;
  /** A shard copy; the group's name has been checked. Throws `not-found` for what this replica does not hold. */
  copy(group: string, shard: number, settings?: GroupSettings): Promise<ShardCopy>;
  build(request: BuildRequest, signal: AbortSignal): AsyncIterable<BuildProgress>;
}
