/**
 * What BanyanDB's own repair would make of versions that differ. It goes around a ring, each node pushing to the next:
 * a greater revision wins, but at equal revisions the node that pushes does, whether it is the one that knows of the
 * delete or the one that missed it.
 */
import type { Version } from '../property/version.ts';

/** What a round of the ring that starts at one node leaves on all of them. */
export interface OwnRepair {
  /** Per node that it may start at, in ring order. */
  readonly leaves: readonly ('live' | 'deleted')[];
  /** A delete that some node knows of gives way to the live copy of the same revision, for some start. */
  readonly undeletes: boolean;
  /** Versions of equal revision and delete time whose content differs stay as they are. */
  readonly unmended: boolean;
}

/** `versions` of one entity, one per node in ring order (ascending names); null where it is absent. */
export function foreseeOwnRepair(versions: readonly (Version | null)[]): OwnRepair {
  const revision = versions.reduce<bigint | null>(
    (top, version) => (version !== null && (top === null || version.revision > top) ? version.revision : top),
    null,
  );
  const newest = versions.map((version) =>
    version !== null && version.revision === revision ? version : null,
  );
  const held = newest.filter((version) => version !== null);
  // The first node from the start on that has the greatest revision hands its state to all after it.
  const leaves = newest.map((_, start) => {
    const first = [...newest.slice(start), ...newest.slice(0, start)].find((version) => version !== null);
    return first === undefined || first === null || first.deleteTime === 0n ? 'live' : 'deleted';
  });
  return {
    leaves,
    undeletes: held.some(({ deleteTime }) => deleteTime !== 0n) && leaves.includes('live'),
    unmended: held.some((a) => held.some((b) => a.deleteTime === b.deleteTime && !a.digest.equals(b.digest))),
  };
}
