/**
 * The repair of one shard over N copies, wherever they are; read this first. The order of calls:
 *
 *     describe     open-views.ts     pins one tree generation per copy, all in one spelling
 *     compare      diff/             roots, slots, leaves: the entities that are not the same everywhere
 *     settle       settle.ts         the winner of each, by the one total order of versions
 *     plan         run-plan.ts       who has the winner, who lacks it: written to a file, not held in memory
 *     fuse         fuse.ts           over all shards of the command, before anything changes anywhere
 *     carry out    carry-out.ts      fetch live from who has it, apply to who lacks it, in batches
 *     report       report.ts         exactly one outcome, every change
 *
 * repair-shards.ts runs the phases over all shards of a command: all are planned, then the fuse is checked,
 * then all are carried out. This file owns what one phase means for one shard and the outcome it leads to.
 *
 * Who owns what: the caller owns the copies and outlives the repair; planning owns the views and closes them
 * before anything is applied; carrying out owns the apply sessions; the spool belongs to the command. Nothing
 * is lost by a cut at any point: applying is a join, so running it again continues.
 */
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import type { ShardCopy } from '../shard-copy/shard-copy.ts';
import { carryOut, type CarryOutOptions, type CarryOutTally } from './carry-out.ts';
import type { PlannedShard, PlanSink } from './plan.ts';
import { type PlanOptions, planShard, type ShardCopies, type ShardPlan } from './plan-shard.ts';
import {
  type CopyReport,
  noCounts,
  type RepairCounts,
  type RepairOutcome,
  type ShardReport,
  untouched,
} from './report.ts';

/** What planning a shard came to: a plan in the spool, or the report of why there is none. */
export type PlanningResult = { readonly plan: ShardPlan } | { readonly report: ShardReport };

// A view is lost when its peer gives up the generation it was pinned to; comparing anew helps, but not for ever.
const planAttempts = 3;

/** Plans one shard. Throws only when the run was cancelled; whatever else goes wrong is in the report. */
export async function planOne(
  target: ShardCopies,
  spool: PlanSink,
  options: PlanOptions,
): Promise<PlanningResult> {
  if (target.copies.length < 2) {
    return { report: emptyReport(target, 'skipped', 'there is no other copy to compare it with') };
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return { plan: await planShard(target, spool, options) };
    } catch (thrown) {
      throwIfAborted(options.signal);
      const error = CodedError.from(thrown);
      if (error.code === 'generation-gone' && attempt < planAttempts) continue;
      const outcome = error.code === 'no-tree' ? 'inconclusive' : 'failed';
      return { report: { ...emptyReport(target, outcome, error.message), error } };
    }
  }
}

/** The report of a shard that was planned and not carried out, a dry run's too. */
export function reportPlanned(target: ShardCopies, plan: ShardPlan): ShardReport {
  const { diff, counts, unnamed } = plan;
  const differs = counts.differing > 0 || unnamed > 0;
  const report = plannedReport(target, plan);
  if (diff.outcome === 'inconclusive') return { ...report, outcome: 'inconclusive', reason: diff.reason };
  return { ...report, outcome: differs ? 'differs' : 'matched' };
}

/** Carries the plan of one shard out. Throws only when the run was cancelled. */
export async function repairOne(
  target: ShardCopies,
  plan: ShardPlan,
  planned: PlannedShard,
  options: CarryOutOptions,
): Promise<ShardReport> {
  const before = reportPlanned(target, plan);
  if (plan.counts.differing === 0)
    return plan.unnamed > 0
      ? { ...before, outcome: 'failed', reason: failureReason(null, [], before) }
      : before;
  const { error, copies: carried } = await carryOutOne(planned, target.copies, options);
  const copies = markStale(carried, plan.stale);
  const report = { ...before, ...sumCopies(copies), stale: anyStale(copies), copies, error };
  report.failed += plan.unnamed;
  report.heldBack += plan.unnamed;
  if (error !== null || report.failed > 0) {
    return { ...report, outcome: 'failed', reason: failureReason(error, copies, report) };
  }
  return before.outcome === 'inconclusive' ? report : { ...report, outcome: 'repaired', reason: null };
}

/** Carries out one shard of a plan that was kept in a file: only what still is as planned. */
export async function repairStanding(
  target: ShardCopies,
  planned: PlannedShard,
  options: CarryOutOptions,
): Promise<ShardReport> {
  if (!planned.complete)
    return emptyReport(target, 'inconclusive', 'planning it had failed when the plan was made');
  const { differing } = planned.counts;
  if (differing === 0) return emptyReport(target, 'skipped', 'the plan has nothing to do for it');
  const { error, copies: carried } = await carryOutOne(planned, target.copies, {
    ...options,
    onlyStanding: true,
  });
  const copies = markStale(carried, []);
  const sums = { ...sumCopies(copies), stale: anyStale(copies) };
  const report = { ...emptyReport(target, 'repaired', null), ...sums, differing, copies, error };
  if (error !== null || report.failed > 0) {
    return { ...report, outcome: 'failed', reason: failureReason(error, copies, report) };
  }
  return report.changed > 0
    ? report
    : { ...report, outcome: 'skipped', reason: 'all of it has changed since the plan' };
}

async function carryOutOne(
  planned: PlannedShard,
  copies: readonly ShardCopy[],
  options: CarryOutOptions,
): Promise<{ error: CodedError | null; copies: readonly CopyReport[] }> {
  const tally: CarryOutTally = { copies: copies.map(({ place }) => untouched(place)) };
  try {
    await carryOut(planned, copies, options, tally);
    return { error: null, copies: tally.copies };
  } catch (thrown) {
    throwIfAborted(options.signal);
    return { error: CodedError.from(thrown), copies: tally.copies };
  }
}

function failureReason(
  error: CodedError | null,
  copies: readonly CopyReport[],
  { failed, heldBack }: Pick<RepairCounts, 'failed' | 'heldBack'>,
): string {
  if (error !== null) return error.message;
  const held = heldBack > 0 ? [`${heldBack} changes are held back`] : [];
  const others = failed > heldBack ? [`${failed - heldBack} changes failed`] : [];
  const reasons = copies.flatMap((copy) => (copy.error === null ? [] : [copy.error.message]));
  return [...held, ...others, ...reasons].join('; ');
}

function plannedReport(target: ShardCopies, plan: ShardPlan): ShardReport {
  const { diff, counts, otherSpelling, stale, unnamed } = plan;
  const copies = target.copies.map(({ place }) => {
    const heldBack = counts.copies.find((copy) => copy.place === place)?.heldBack ?? 0;
    return { ...untouched(place), failed: heldBack, heldBack };
  });
  const heldBack = copies.reduce((sum, copy) => sum + copy.heldBack, unnamed);
  return {
    ...emptyReport(target, 'matched', null),
    differing: counts.differing,
    failed: heldBack,
    heldBack,
    otherSpelling,
    stale: stale.length > 0,
    slotsCompared: diff.slotsCompared,
    leavesRead: diff.leavesRead,
    copies: markStale(copies, stale),
  };
}

function emptyReport(
  { group, shard, copies }: ShardCopies,
  outcome: RepairOutcome,
  reason: string | null,
): ShardReport {
  return {
    ...noCounts,
    group,
    shard,
    outcome,
    reason,
    error: null,
    stale: false,
    slotsCompared: 0,
    leavesRead: 0,
    copies: copies.map(({ place }) => untouched(place)),
  };
}

/** `stale`: places that were so when they were compared. */
function markStale(copies: readonly CopyReport[], stale: readonly string[]): CopyReport[] {
  return copies.map((copy) => {
    const isStale = copy.stale || stale.includes(copy.place);
    // Where something was changed the tree is built after it.
    return { ...copy, stale: isStale, awaitsBuild: copy.awaitsBuild || (isStale && copy.changed === 0) };
  });
}

function anyStale(copies: readonly CopyReport[]): boolean {
  return copies.some(({ stale }) => stale);
}

function sumCopies(
  copies: readonly CopyReport[],
): Pick<CopyReport, 'changed' | 'kept' | 'failed' | 'heldBack' | 'shipped' | 'bytes'> {
  const sums = { changed: 0, kept: 0, failed: 0, heldBack: 0, shipped: 0, bytes: 0 };
  for (const name of Object.keys(sums) as (keyof typeof sums)[]) {
    for (const copy of copies) sums[name] += copy[name];
  }
  return sums;
}
