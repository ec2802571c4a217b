/** A difference in JSON, the same wherever one is shown: who has what, who wins. */
import { toHex } from '../lib/bytes.ts';
import { joinEntity, parseEntityKey } from '../property/entity.ts';
import type { Version } from '../property/version.ts';
import type { Leaf } from '../shard-copy/shard-copy.ts';
import type { Difference } from './diff-leaves.ts';
import { resolve, tellsVersion } from './resolve.ts';

/** A version as far as a leaf tells it: int64 as decimal strings, digest as lowercase hex, null for what is not told. */
export interface ToldVersion {
  readonly revision: string | null;
  readonly deleteTime: string | null;
  readonly digest: string | null;
}

export interface DifferenceJson {
  readonly group: string;
  readonly shard: number;
  /** Joined: GROUP/NAME/ID. */
  readonly entity: string;
  readonly copies: (ToldVersion & { readonly place: string; readonly state: CopyState })[];
  /** Null where leaves do not tell. */
  readonly winner: ToldVersion | null;
}

export type CopyState = 'live' | 'deleted' | 'absent' | 'unknown';

/** The difference; `places` are those of the copies, in order. */
export function differenceJson(
  { group, shard }: { readonly group: string; readonly shard: number },
  places: readonly string[],
  { key, leaves }: Difference,
): DifferenceJson {
  const winner = resolve(leaves)?.version ?? null;
  return {
    group,
    shard,
    entity: joinEntity(parseEntityKey(group, key)),
    copies: leaves.map((leaf, copy) => ({
      place: places[copy] ?? '',
      state: stateOf(leaf),
      ...toldVersion(leaf),
    })),
    winner: winner && tellsVersion(winner) ? toldVersion(winner) : null,
  };
}

export function stateOf(leaf: Version | Leaf | null): CopyState {
  if (leaf === null) return 'absent';
  if (leaf.deleteTime === null) return 'unknown';
  return leaf.deleteTime === 0n ? 'live' : 'deleted';
}

export function toldVersion(leaf: Version | Leaf | null): ToldVersion {
  if (leaf === null) return { revision: null, deleteTime: null, digest: null };
  const { revision, deleteTime, digest } = leaf;
  return {
    revision: revision === null ? null : String(revision),
    deleteTime: deleteTime === null ? null : String(deleteTime),
    digest: toHex(digest),
  };
}
