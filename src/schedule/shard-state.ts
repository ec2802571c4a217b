/** What a schedule knows of one shard. Times are milliseconds since 1970. */
import type { NoticedDifference } from './noticed-difference.ts';
import type { ScheduleOptions, Skip } from './schedule-options.ts';

export interface ShardState {
  readonly group: string;
  readonly shard: number;
  readonly knownSinceMs: number;
  movedSinceMs: number | null;
  building: boolean;
  visiting: boolean;
  lastVisitMs: number | null;
  /** Null while its copies are not seen to differ. */
  noticed: NoticedDifference | null;
  lastBuildSkip: Skip | null;
  lastRoundSkip: Skip | null;
}

/** By when a shard must have been visited again. */
export function dueByMs(
  { group, lastVisitMs, knownSinceMs }: ShardState,
  { deadlineMs, deadlines }: ScheduleOptions['round'],
): number {
  return (lastVisitMs ?? knownSinceMs) + (deadlines.get(group) ?? deadlineMs);
}
