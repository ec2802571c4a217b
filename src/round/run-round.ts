/**
 * One round: a repair over all copies of each shard. Members that cannot be reached are named and left out,
 * and the rest are made to agree; the round is then inconclusive, since it cannot say of all copies that they
 * converged. Stale trees are built first, so that what is compared is what is there, and again after changes.
 */
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { carryOutPlanFile, type RepairOptions, repairShards } from '../repair/repair-shards.ts';
import { combineReports, noCounts, type RepairReport, type ShardReport } from '../repair/report.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import { type AskedMember, matchMembers, type Narrowing } from './match-members.ts';
import type { BuildOrder, LostMember, Member } from './member.ts';

export interface RoundOptions extends RepairOptions {
  readonly narrowing?: Narrowing;
  /** Told how far asking and building is, for people. */
  readonly onStep?: ((text: string) => void) | undefined;
}

export type RoundOutcome = 'converged' | 'differs' | 'inconclusive' | 'failed';

/** How one member came through. */
export interface RoundCopy {
  readonly place: string;
  readonly outcome: RoundOutcome;
  /** Versions applied there. */
  readonly changed: number;
  readonly reason: string | null;
}

export interface RoundReport {
  readonly outcome: RoundOutcome;
  readonly reason: string | null;
  readonly repair: RepairReport;
  readonly copies: readonly RoundCopy[];
}

/** Runs a round over `members`. Throws `fuse` before anything changes, `cancelled`, and what matching throws. */
export async function runRound(members: readonly Member[], options: RoundOptions): Promise<RoundReport> {
  const { asked, lost } = await askMembers(members, options);
  const reached = new Map(asked.map((one) => [one.member.place, one]));
  if (asked.length === 0) return roundReport(members, [], lost, options);
  const present = matchMembers(asked, options.narrowing ?? {}).map(shardPlaces);
  await buildTrees(reached, lost, present, options);
  let reports: ShardReport[] = [];
  let targets = matchMembers([...reached.values()], options.narrowing ?? {});
  // Bounded by the members: every further turn is without one that was lost.
  while (targets.length > 0) {
    const report = await repairTargets(targets, options);
    const gone = lostPlaces(report.shards, reached);
    reports = [...reports, ...report.shards.filter((shard) => !isLost(shard, gone))];
    targets = targets.filter((target) => report.shards.some((shard) => sameShard(shard, target) && isLost(shard, gone)));
    for (const [place, error] of gone) {
      const member = reached.get(place)?.member;
      if (member !== undefined) lost.push({ member, error });
      reached.delete(place);
    }
    targets = targets.map((target) => ({ ...target, copies: target.copies.filter(({ place }) => reached.has(place)) }));
  }
  await buildTrees(reached, lost, reports.filter(({ changed }) => changed > 0).map(shardPlaces), options);
  return roundReport(members, reports, lost, options);
}

/** Asks all members at once what they have; who does not answer is lost. */
export async function askMembers(
  members: readonly Member[],
  { signal, onStep }: Pick<RoundOptions, 'signal' | 'onStep'>,
): Promise<{ asked: AskedMember[]; lost: LostMember[] }> {
  onStep?.(`asking ${members.length} places`);
  const lost: LostMember[] = [];
  const offers = await Promise.all(
    members.map(async (member) => {
      try {
        return [{ member, offer: await member.offer(signal) }];
      } catch (error) {
        throwIfAborted(signal);
        lost.push({ member, error: CodedError.from(error) });
        return [];
      }
    }),
  );
  return { asked: offers.flat(), lost };
}

/** A shard and the places that have a copy of it. */
interface ShardPlaces extends BuildOrder {
  readonly places: readonly string[];
}

function shardPlaces(shard: BuildOrder & { readonly copies: readonly { readonly place: string }[] }): ShardPlaces {
  return { group: shard.group, shard: shard.shard, places: shard.copies.map(({ place }) => place) };
}

/** Who cannot build what changed is lost to this round: its stale tree would be compared. */
async function buildTrees(
  reached: Map<string, AskedMember>,
  lost: LostMember[],
  shards: readonly ShardPlaces[],
  { signal, onStep }: RoundOptions,
): Promise<void> {
  await Promise.all(
    [...reached.values()].map(async ({ member }) => {
      const orders = shards.filter(({ places }) => places.includes(member.place));
      if (orders.length === 0) return;
      try {
        await member.build(orders, { signal, onProgress: onStep });
      } catch (error) {
        throwIfAborted(signal);
        lost.push({ member, error: CodedError.from(error) });
        reached.delete(member.place);
      }
    }),
  );
}

function repairTargets(targets: readonly ShardCopies[], options: RoundOptions): Promise<RepairReport> {
  if (options.planPath !== undefined && options.dryRun !== true) {
    return carryOutPlanFile(options.planPath, targets, options);
  }
  return repairShards(targets, options);
}

/** Places whose failure kept a whole shard from being repaired. */
function lostPlaces(
  shards: readonly ShardReport[],
  reached: ReadonlyMap<string, AskedMember>,
): Map<string, CodedError> {
  const gone = new Map<string, CodedError>();
  for (const { outcome, error } of shards) {
    const place = error?.details['place'];
    if (outcome !== 'failed' || error === null || typeof place !== 'string' || !reached.has(place)) continue;
    gone.set(place, error);
  }
  return gone;
}

function isLost({ outcome, error }: ShardReport, gone: ReadonlyMap<string, CodedError>): boolean {
  return outcome === 'failed' && error !== null && gone.has(String(error.details['place']));
}

function sameShard(a: { group: string; shard: number }, b: { group: string; shard: number }): boolean {
  return a.group === b.group && a.shard === b.shard;
}

function roundReport(
  members: readonly Member[],
  reports: readonly ShardReport[],
  lost: readonly LostMember[],
  options: RoundOptions,
): RoundReport {
  const repair = reports.length === 0 ? { ...combineReports([]), ...noCounts } : combineReports(reports);
  const copies = members.map(({ place }) => copyReport(place, reports, lost, options));
  const first = (outcome: RoundOutcome): RoundCopy | undefined => copies.find((copy) => copy.outcome === outcome);
  if (repair.outcome === 'failed') return { outcome: 'failed', reason: repair.reason, repair, copies };
  const missing = first('inconclusive') ?? first('failed');
  if (missing !== undefined) {
    return { outcome: 'inconclusive', reason: `${missing.place} did not take part: ${missing.reason}`, repair, copies };
  }
  if (repair.outcome === 'inconclusive') return { outcome: 'inconclusive', reason: repair.reason, repair, copies };
  return { outcome: repair.outcome === 'differs' ? 'differs' : 'converged', reason: null, repair, copies };
}

function copyReport(
  place: string,
  reports: readonly ShardReport[],
  lost: readonly LostMember[],
  { dryRun = false }: RoundOptions,
): RoundCopy {
  const mine = reports.flatMap(({ copies }) => copies.filter((copy) => copy.place === place));
  const changed = mine.reduce((sum, copy) => sum + copy.changed, 0);
  const gone = lost.find(({ member }) => member.place === place);
  if (gone !== undefined) return { place, outcome: 'inconclusive', changed, reason: gone.error.message };
  const error = mine.find((copy) => copy.error !== null)?.error ?? null;
  if (error !== null) return { place, outcome: 'inconclusive', changed, reason: error.message };
  if (mine.some(({ failed }) => failed > 0)) return { place, outcome: 'failed', changed, reason: 'some versions could not be applied' };
  const differs = dryRun && reports.some(({ outcome }) => outcome === 'differs');
  return { place, outcome: differs ? 'differs' : 'converged', changed, reason: null };
}
