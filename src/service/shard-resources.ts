/** Puts together what is shown of a shard: its index and tree, its copies, the schedule, the last visit. */
import type { ShardResource } from '../admin/resources.ts';
import { toHex } from '../lib/bytes.ts';
import type { Skip, ShardOutlook } from '../schedule/schedule-options.ts';
import type { Agreement } from './agreement.ts';
import type { VisitRecord } from './history.ts';
import type { WatchedShard } from './shard-watch.ts';

export interface ShardParts {
  readonly group: string;
  readonly shard: number;
  /** Undefined where this replica has nothing of it yet. */
  readonly own: WatchedShard | undefined;
  readonly agreement: Agreement;
  readonly outlook: ShardOutlook | null;
  readonly visit: VisitRecord | null;
}

export function shardResourceOf({ group, shard, own, agreement, outlook, visit }: ShardParts): ShardResource {
  const tree = own?.tree ?? null;
  return {
    group,
    shard,
    leaves: own?.totals?.leaves ?? null,
    live: own?.totals?.live ?? null,
    writeSequence: own?.totals ? String(own.totals.watermark.sequence) : null,
    tree: tree && {
      generation: Number(tree.generation),
      root: toHex(tree.root),
      leaves: tree.leaves,
      builtAt: isoTime(tree.builtAtMs),
      stale: own?.moved ?? false,
    },
    generations: (own?.generations ?? []).map(Number),
    agreement,
    lastBuildAt: isoTime(tree?.builtAtMs ?? null),
    nextBuildAt: isoTime(outlook?.nextBuildAtMs ?? null),
    buildWaits: outlook?.buildWaits ?? null,
    lastBuildSkip: skipOf(outlook?.lastBuildSkip),
    lastRound: visit && {
      run: visit.run,
      outcome: visit.outcome,
      reason: visit.reason,
      at: new Date(visit.visitedMs).toISOString(),
    },
    lastConvergedAt: isoTime(visit?.convergedMs ?? null),
    nextRoundAt: isoTime(outlook?.nextRoundAtMs ?? null),
    roundWaits: outlook?.roundWaits ?? null,
    lastRoundSkip: skipOf(outlook?.lastRoundSkip),
    dueBy: isoTime(outlook?.dueByMs ?? null),
    onTime: outlook?.onTime ?? null,
    error: own?.error ? { code: own.error.code, message: own.error.message } : null,
  };
}

/** ISO 8601, or null for what has no time, or none that a calendar can tell. */
export function isoTime(ms: number | null): string | null {
  return ms === null || !Number.isFinite(ms) ? null : new Date(ms).toISOString();
}

function skipOf(skip: Skip | null | undefined): ShardResource['lastBuildSkip'] {
  return skip ? { reason: skip.reason, at: new Date(skip.atMs).toISOString() } : null;
}
