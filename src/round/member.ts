/** Who takes part in a comparison or a round: a replica, or a file, that offers copies of shards. */
import type { CodedError } from '../lib/coded-error.ts';
import type { ListFilter } from '../peer/shard-provider.ts';
import type { ShardCopy, ViewDescription } from '../shard-copy/shard-copy.ts';

/** A group as one member has it. */
export interface OfferedGroup {
  readonly group: string;
  /** Shard count of the group; null where the member cannot know. */
  readonly shards: number | null;
  /** Shards it has copies of; null for a single one whose number it does not tell. */
  readonly offered: readonly number[] | null;
}

export interface Offer {
  readonly groups: readonly OfferedGroup[];
  /** What the newest tree of a shard says of itself, as of this offer; null where there is none or it is not told. */
  tree(group: string, shard: number): ViewDescription | null;
  /** Whether a shard of a group that is absent here belongs here, as a copy with nothing in it. */
  holds(group: string, shard: number): boolean;
  /** Names of all that have a copy of a shard, where the cluster's registry was asked; null where it tells nothing. */
  holders?(group: string, shard: number): ReadonlySet<string> | null;
  /** What tells this replica from all others, whatever address it is reached by; null where it does not say. */
  readonly instance?: bigint | null;
}

export interface BuildOrder {
  readonly group: string;
  readonly shard: number;
}

/** How the build of one shard ended. */
export interface BuiltShard extends BuildOrder {
  readonly outcome: 'built' | 'skipped';
  /** Why it was skipped. */
  readonly reason: string | null;
  readonly generation: bigint;
  /** 64 bytes, or none for an empty shard. */
  readonly root: Buffer;
  readonly leaves: number;
}

export interface MemberBuildOptions {
  readonly signal?: AbortSignal | undefined;
  /** Build unchanged shards too. */
  readonly force?: boolean | undefined;
  readonly onBuilt?: ((built: BuiltShard) => void | Promise<void>) | undefined;
  /** Told how far a build is, for people. */
  readonly onProgress?: ((text: string) => void) | undefined;
}

export interface Member {
  /** What the user calls it. */
  readonly place: string;
  /** What it calls itself; null where it does not tell. */
  readonly name: string | null;
  readonly kind: 'root' | 'tree-file' | 'tallystick' | 'banyandb';
  /**
   * What it has; one that lists its shards may leave out what `filter` does not mean. Throws `unreachable`, `timeout`
   * and what reading it throws.
   */
  offer(signal?: AbortSignal, filter?: ListFilter): Promise<Offer>;
  copy(group: string, shard: number): ShardCopy;
  /** Builds the trees of shards that changed since their last; does nothing where trees are not ours to build. */
  build(orders: readonly BuildOrder[], options?: MemberBuildOptions): Promise<void>;
}

/** A member that could not be asked, and why. */
export interface LostMember {
  readonly member: Member;
  readonly error: CodedError;
}
