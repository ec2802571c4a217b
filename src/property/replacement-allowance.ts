/**
 * The rule of the mass-change fuse, which the coordinator of a repair and every receiver count by alike:
 * how many live properties of a copy may be replaced before somebody has to confirm.
 */
import type { Version } from './version.ts';

/** Share of a copy's live properties that may be replaced unconfirmed. */
export const replacedShareMax = 0.5;

/** A copy with no more live properties than this is too small for a share to mean anything. */
export const fuseLiveMin = 100;

/**
 * Whether an apply counts: a live property gives way to a tombstone or to other content. Filling what is
 * absent (`before` null) and replacing a tombstone never count.
 */
export function replacesLive(before: Pick<Version, 'deleteTime'> | null): boolean {
  return before !== null && before.deleteTime === 0n;
}

/** How many live properties of a copy with `live` of them may be replaced unconfirmed; Infinity for a small copy. */
export function replacementsAllowed(live: number): number {
  return live > fuseLiveMin ? Math.floor(live * replacedShareMax) : Infinity;
}
