/** Tells from what members listed, without another round trip, which shards agree already. */
import { CodedError } from '../lib/coded-error.ts';
import { checkAlike, type PlacedDescription } from '../diff/check-alike.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import { noCounts, type ShardReport, untouched } from '../repair/report.ts';
import type { AskedMember } from './match-members.ts';

/** The report of a shard whose listed trees are like and have equal roots; null where it has to be compared. */
export function listedEqual(target: ShardCopies, asked: readonly AskedMember[]): ShardReport | null {
  const { group, shard, copies } = target;
  const trees = copies.map(
    ({ place }) => asked.find(({ member }) => member.place === place)?.offer.tree(group, shard) ?? null,
  );
  const told = trees.filter((tree) => tree !== null);
  const [first] = told;
  if (first === undefined || told.length < trees.length || trees.length < 2) return null;
  if (told.some(({ root, spelling }) => !root.equals(first.root) || spelling !== first.spelling)) return null;
  if (
    !areAlike(told.map((description, copy) => ({ place: copies[copy]?.place ?? '', view: { description } })))
  )
    return null;
  return {
    ...noCounts,
    group,
    shard,
    outcome: 'matched',
    reason: null,
    error: null,
    stale: told.some(({ stale }) => stale),
    slotsCompared: 0,
    leavesRead: 0,
    copies: copies.map(({ place }, copy) => {
      const stale = told[copy]?.stale ?? false;
      return { ...untouched(place), stale, awaitsBuild: stale };
    }),
  };
}

// What cannot be compared is told by the comparison itself.
function areAlike(places: readonly PlacedDescription[]): boolean {
  try {
    checkAlike(places);
    return true;
  } catch (error) {
    if (error instanceof CodedError) return false;
    throw error;
  }
}
