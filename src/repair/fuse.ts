/**
 * The mass-change fuse of a repair: stops it before anything is changed anywhere where a copy would lose more
 * than a share of its live properties. The rule is property/replacement-allowance.ts; receivers count by it too.
 */
import { CodedError } from '../lib/coded-error.ts';
import { replacementsAllowed } from '../property/replacement-allowance.ts';
import type { PlanShardCounts, PlanShardHead } from './plan.ts';

/** What a command is about to do to one shard. */
export interface FuseShard {
  readonly head: PlanShardHead;
  readonly counts: PlanShardCounts;
}

/**
 * Throws `fuse`, with the number to confirm in `count`, if a copy of any shard would have more of its live
 * properties replaced than allowed and `confirmed` is less than the replacements over all copies and shards.
 */
export function checkFuse(shards: readonly FuseShard[], confirmed: number | null): void {
  const tripped: string[] = [];
  const places = new Set<string>();
  let count = 0;
  for (const { head, counts } of shards) {
    for (const { place, replacedLive } of counts.copies) {
      count += replacedLive;
      const copy = head.copies.find((candidate) => candidate.place === place);
      const live = copy?.liveLeaves ?? copy?.leaves ?? 0;
      if (replacedLive <= replacementsAllowed(live)) continue;
      places.add(place);
      tripped.push(`${replacedLive} of ${live} in group ${head.group}, shard ${head.shard} at ${place}`);
    }
  }
  if (tripped.length === 0 || (confirmed !== null && confirmed >= count)) return;
  const named = tripped.slice(0, namedMax).join('; ');
  const more = tripped.length > namedMax ? ` and ${tripped.length - namedMax} more` : '';
  const sofar = confirmed === null ? '' : ` (${confirmed} were confirmed)`;
  throw new CodedError(
    'fuse',
    `the repair would replace ${count} live properties over all copies${sofar}, more than half of a copy: ${named}${more}. ` +
      `Look at a dry run; confirm ${count} to go on. Nothing was changed`,
    { count, places: [...places] },
  );
}

// Copies named in the message; the places are all in the details.
const namedMax = 5;
