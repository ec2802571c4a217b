/** What a repair tells: outcomes, counts, each change as it happens, progress. */
import type { CodedError } from '../lib/coded-error.ts';
import type { Version } from '../property/version.ts';

/** How a repair ended, from best to gravest. */
export const repairOutcomes = [
  'matched',
  'skipped',
  'repaired',
  'differs',
  'inconclusive',
  'failed',
] as const;
export type RepairOutcome = (typeof repairOutcomes)[number];

/** One version at one copy: planned (a dry run), made, found unneeded, held back with what would help, or failed. */
export interface RepairChange {
  readonly result: 'planned' | 'changed' | 'kept' | 'held back' | 'failed';
  readonly group: string;
  readonly shard: number;
  /** Joined: GROUP/NAME/ID. */
  readonly entity: string;
  readonly place: string;
  /** What the copy had when it was planned; null where it had nothing. */
  readonly before: Version | null;
  /**
   * What it was sent, or was to be sent; with revision 0 where only the digest in a tree tells of it, with the first 8
   * bytes of its digest where it could not be fetched and no more was asked for.
   */
  readonly after: Version;
  /** Why it was to be changed; for `kept`, `held back` and `failed` why it was not. */
  readonly reason: string;
}

export interface RepairCounts {
  /** Entities. */
  readonly differing: number;
  /** Versions applied, over all copies. */
  readonly changed: number;
  /** Versions that found an equal or greater one, or whose plan no longer held. */
  readonly kept: number;
  /** Versions that could not be fetched or applied, those held back among them. */
  readonly failed: number;
  /** Versions that a copy cannot take or must not have. */
  readonly heldBack: number;
  /** Values sent, over all copies. */
  readonly shipped: number;
  /** Bytes of source text sent. */
  readonly bytes: number;
  /** Entities that are equal but spelled otherwise. */
  readonly otherSpelling: number;
}

export interface CopyReport {
  readonly place: string;
  readonly changed: number;
  readonly kept: number;
  readonly failed: number;
  readonly heldBack: number;
  readonly shipped: number;
  readonly bytes: number;
  /** The copy's index had moved on since the tree that was compared. */
  readonly stale: boolean;
  /** Its tree does not show what it has by now, and will when it is built next. */
  readonly awaitsBuild: boolean;
  /** Why the copy took no further part, if it failed. */
  readonly error: CodedError | null;
}

export interface ShardReport extends RepairCounts {
  readonly group: string;
  readonly shard: number;
  readonly outcome: RepairOutcome;
  /** For skipped, inconclusive and failed. */
  readonly reason: string | null;
  /** What made it fail as a whole. */
  readonly error: CodedError | null;
  readonly stale: boolean;
  /** Non-empty slots compared; 0 where roots agreed. */
  readonly slotsCompared: number;
  readonly leavesRead: number;
  readonly copies: readonly CopyReport[];
}

export interface RepairReport extends RepairCounts {
  /** The gravest of the shards'; matched where there is none. */
  readonly outcome: RepairOutcome;
  /** Of the first shard with that outcome, as is the error. */
  readonly reason: string | null;
  readonly error: CodedError | null;
  readonly stale: boolean;
  readonly shards: readonly ShardReport[];
}

export interface RepairProgress {
  readonly phase: 'describe' | 'compare' | 'plan' | 'carry out';
  readonly group: string;
  readonly shard: number;
  readonly slotsDone: number;
  readonly slotsTotal: number;
  readonly entitiesDone: number;
  /** Differing entities found so far. */
  readonly entitiesTotal: number;
  /** Bytes of leaves read or of source sent in this phase. */
  readonly bytes: number;
}

export const noCounts: RepairCounts = {
  differing: 0,
  changed: 0,
  kept: 0,
  failed: 0,
  heldBack: 0,
  shipped: 0,
  bytes: 0,
  otherSpelling: 0,
};

/** A copy to which nothing was done. */
export function untouched(place: string): CopyReport {
  const { changed, kept, failed, heldBack, shipped, bytes } = noCounts;
  return {
    place,
    changed,
    kept,
    failed,
    heldBack,
    shipped,
    bytes,
    stale: false,
    awaitsBuild: false,
    error: null,
  };
}

/** Why a copy that has `before` is to have `after`. */
export function changeReason(before: Version | null, after: Version): string {
  if (before === null) return 'absent';
  if (before.revision !== after.revision) return 'older revision';
  if (before.deleteTime === after.deleteTime) return 'other content at the same revision';
  return before.deleteTime === 0n ? 'missed delete' : 'newer delete';
}

/** The report over all shards of a command. */
export function combineReports(shards: readonly ShardReport[]): RepairReport {
  const gravity = Math.max(0, ...shards.map(({ outcome }) => repairOutcomes.indexOf(outcome)));
  const outcome = repairOutcomes[gravity] ?? 'failed';
  const counts = { ...noCounts };
  for (const shard of shards) {
    for (const name of Object.keys(counts) as (keyof RepairCounts)[]) {
      (counts as Record<keyof RepairCounts, number>)[name] += shard[name];
    }
  }
  const first = shards.find((shard) => shard.outcome === outcome);
  return {
    ...counts,
    outcome,
    reason: first?.reason ?? null,
    error: first?.error ?? null,
    stale: shards.some(({ stale }) => stale),
    shards,
  };
}
