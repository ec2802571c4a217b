/** What a round says of itself: one outcome of all copies, and how each of them came through. */
import {
  combineReports,
  type CopyReport,
  noCounts,
  type RepairReport,
  type ShardReport,
} from '../repair/report.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import { type AbsentHolder, readableAbsent } from './match-members.ts';
import type { BuildOrder, LostMember, Member } from './member.ts';

export type RoundOutcome = 'converged' | 'differs' | 'inconclusive' | 'failed';

/** How one member came through. */
export interface RoundCopy {
  readonly place: string;
  readonly outcome: RoundOutcome;
  /** It could not be reached, or not to the end. */
  readonly lost: boolean;
  /** Versions applied there. */
  readonly changed: number;
  /** Shards whose tree does not show what it has by now, and will when it is built next. */
  readonly awaitsBuild: readonly BuildOrder[];
  readonly reason: string | null;
}

export interface RoundReport {
  readonly outcome: RoundOutcome;
  readonly reason: string | null;
  readonly repair: RepairReport;
  readonly copies: readonly RoundCopy[];
}

/** What a round came to, before it is told. */
export interface RoundParts {
  readonly members: readonly Member[];
  /** Every shard there was to repair. */
  readonly targets: readonly ShardCopies[];
  readonly reports: readonly ShardReport[];
  readonly lost: readonly LostMember[];
  readonly absent: readonly AbsentHolder[];
  readonly dryRun: boolean;
  /** A plan that was kept was carried out, rather than one made now. */
  readonly carriesPlan: boolean;
}

export function roundReport(parts: RoundParts): RoundReport {
  const { members, reports, absent, carriesPlan } = parts;
  const repair = reports.length === 0 ? { ...combineReports([]), ...noCounts } : combineReports(reports);
  const copies = members.map(({ place }) => copyReport(place, parts));
  for (const [name, [first]] of Map.groupBy(absent, (holder) => holder.name)) {
    if (first === undefined) continue;
    const reason = readableAbsent(first);
    copies.push({ place: name, outcome: 'inconclusive', lost: true, changed: 0, awaitsBuild: [], reason });
  }
  const fault = reports.find((report) => report.outcome === 'failed' && !failedByLoss(report));
  if (fault !== undefined) return { outcome: 'failed', reason: fault.reason, repair, copies };
  const inconclusive = (reason: string | null): RoundReport => ({
    ...{ outcome: 'inconclusive', reason },
    ...{ repair, copies },
  });
  const unsure = copies.filter(({ outcome }) => outcome === 'inconclusive');
  // A copy that was lost explains those that only miss what it had.
  const missing = unsure.find(({ lost }) => lost);
  if (missing !== undefined) return inconclusive(`${missing.place}: ${missing.reason}`);
  if (repair.outcome === 'inconclusive') return inconclusive(repair.reason);
  if (carriesPlan && repair.kept > 0) return inconclusive(notMade(repair.kept));
  const [first] = unsure;
  if (first !== undefined) return inconclusive(`${first.place}: ${first.reason}`);
  return { outcome: repair.outcome === 'differs' ? 'differs' : 'converged', reason: null, repair, copies };
}

/**
 * Whether copies were lost while a shard was carried out: what failed beside them may only have been theirs to
 * give, which the next round with all copies tells.
 */
function failedByLoss({ error, copies }: ShardReport): boolean {
  return error === null && copies.some((copy) => copy.error !== null);
}

function notMade(count: number): string {
  return `${count} planned changes were not made, for the copies have changed since the plan`;
}

/** A member's part in one shard. */
interface Part {
  readonly report: ShardReport;
  readonly copy: CopyReport;
}

function copyReport(place: string, parts: RoundParts): RoundCopy {
  const mine = parts.reports.flatMap((report): Part[] =>
    report.copies.filter((copy) => copy.place === place).map((copy) => ({ report, copy })),
  );
  const awaitsBuild = mine
    .filter(({ copy }) => copy.awaitsBuild)
    .map(({ report: { group, shard } }) => ({ group, shard }));
  return { place, changed: sum(mine, 'changed'), awaitsBuild, ...comeThrough(place, mine, parts) };
}

function sum(mine: readonly Part[], count: 'changed' | 'kept' | 'heldBack'): number {
  return mine.reduce((total, { copy }) => total + copy[count], 0);
}

/** How a member came through all its shards. */
function comeThrough(
  place: string,
  mine: readonly Part[],
  { targets, lost, dryRun, carriesPlan }: RoundParts,
): Pick<RoundCopy, 'outcome' | 'lost' | 'reason'> {
  const error =
    lost.find(({ member }) => member.place === place)?.error ??
    mine.find(({ copy }) => copy.error !== null)?.copy.error;
  if (error != null) return { outcome: 'inconclusive', lost: true, reason: error.message };
  const told = (outcome: RoundOutcome, reason: string | null) => ({ outcome, lost: false, reason });
  // A shard that failed as a whole was not made to agree anywhere.
  const failed = mine.find(({ report }) => report.outcome === 'failed' && report.error !== null);
  if (failed !== undefined) return told('failed', failed.report.reason);
  const heldBack = sum(mine, 'heldBack');
  const held = heldBack === 0 ? null : `${heldBack} versions are held back`;
  const faults = dryRun ? [] : mine.filter(({ copy }) => copy.failed > 0);
  if (faults.some(({ report }) => !failedByLoss(report)))
    return told('failed', held ?? 'some versions could not be applied');
  if (faults.length > 0)
    return told('inconclusive', 'some of what it lacks was only at a copy that was lost');
  const unsure = mine.find(({ report }) => report.outcome === 'inconclusive');
  if (unsure !== undefined) return told('inconclusive', unsure.report.reason);
  const unplanned = targets.filter(
    (target) =>
      target.copies.length > 1 &&
      target.copies.some((copy) => copy.place === place) &&
      !mine.some(({ report }) => sameShard(report, target)),
  );
  if (unplanned.length > 0)
    return told('inconclusive', `the plan is without its copies of ${unplanned.length} shards`);
  const kept = carriesPlan ? sum(mine, 'kept') : 0;
  if (kept > 0) return told('inconclusive', notMade(kept));
  const differs = dryRun && mine.some(({ report }) => report.outcome === 'differs');
  return told(differs ? 'differs' : 'converged', held);
}

export function sameShard(a: { group: string; shard: number }, b: { group: string; shard: number }): boolean {
  return a.group === b.group && a.shard === b.shard;
}
