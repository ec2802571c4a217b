/**
 * Copies that are seen to differ between two rounds: such a shard is visited without waiting for the cron, once it
 * has lasted longer than replication takes, and not again and again where a visit does not help.
 */
import type { ScheduleOptions } from './schedule-options.ts';
import { jitterOf } from './ticks.ts';

/** Goes on for as long as the copies are seen to differ. */
export interface NoticedDifference {
  readonly sinceMs: number;
  /** A visit has ended since: the next one is the cron's. */
  readonly visited: boolean;
}

/** When the shard is to be visited because of it, as far as that is decided by now; null where it is not. */
export function noticedVisitAtMs(
  shard: {
    readonly group: string;
    readonly shard: number;
    readonly lastVisitMs: number | null;
    readonly noticed: NoticedDifference | null;
  },
  { round, seed }: ScheduleOptions,
): number | null {
  const { noticed, lastVisitMs } = shard;
  if (round.off || noticed === null || noticed.visited) return null;
  const jitterMs = jitterOf(`${seed}/${shard.group}/${shard.shard}`, round.jitterMs);
  return Math.max(
    noticed.sinceMs + round.quickDelayMs + jitterMs,
    (lastVisitMs ?? -Infinity) + round.quickIntervalMs,
  );
}
