/**
 * Who wins a difference, by the total order of property/version.ts. Decided from leaves alone; where a
 * leaf does not tell its version (a BanyanDB tree), the caller fetches it and asks again.
 */
import { compareBytes } from '../lib/bytes.ts';
import { compareVersions, type Version } from '../property/version.ts';
import type { Leaf } from '../shard-copy/shard-copy.ts';

/** What is compared of a leaf. */
type Compared = Omit<Leaf, 'key'>;

export interface Resolution<One extends Compared> {
  /** Positions of the copies that have the winner, ascending; never empty. */
  readonly winners: readonly number[];
  /** A leaf of the winner; revision and delete time are null only where no copy tells them and all digests agree. */
  readonly version: One;
}

/** A leaf that tells its version. */
export function tellsVersion<One extends Compared>(leaf: One): leaf is One & Version {
  return leaf.revision !== null && leaf.deleteTime !== null;
}

/**
 * The winner among the copies' leaves of one entity (null: absent there), or null where digests differ and
 * a present leaf does not tell its version. At least one leaf must be present.
 */
export function resolve<One extends Compared>(leaves: readonly (One | null)[]): Resolution<One> | null {
  let best: One | null = null;
  let winners: number[] = [];
  let unknown = false;
  let unlike = false;
  for (const [position, leaf] of leaves.entries()) {
    if (leaf === null) continue;
    unknown ||= !tellsVersion(leaf);
    const order: number = best === null ? 1 : compareLeaves(leaf, best);
    unlike ||= best !== null && compareBytes(leaf.digest, best.digest) !== 0;
    if (order > 0) {
      best = leaf;
      winners = [position];
    } else if (order === 0) {
      winners.push(position);
      if (best !== null && !tellsVersion(best)) best = leaf;
    }
    if (unknown && unlike) return null;
  }
  return best === null ? null : { winners, version: best };
}

// Equal digests mean the same version: the digest covers revision (in the source) and delete time.
function compareLeaves(a: Compared, b: Compared): number {
  if (tellsVersion(a) && tellsVersion(b)) return compareVersions(a, b);
  return compareBytes(a.digest, b.digest);
}
