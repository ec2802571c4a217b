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
import { listedEqual } from './listed-equal.ts';
import {
  type AbsentHolder,
  absentHolders,
  type AskedMember,
  matchMembers,
  type Narrowing,
  readableAbsent,
} from './match-members.ts';
import type { BuildOrder, LostMember, Member } from './member.ts';

export interface RoundOptions extends RepairOptions {
  readonly narrowing?: Narrowing;
  /** Told how far asking and building is, for people. */
  readonly onStep?: ((text: string, step: RoundStep) => void) | undefined;
}

/** What a round does before and after it repairs. */
export type RoundStep = 'ask' | 'build';

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

/**
 * Runs a round over `members`. Throws `fuse` before anything changes, `cancelled`, and what matching throws; where
 * a kept plan is carried out also why a member cannot be reached, for a plan is of all of them.
 */
export async function runRound(members: readonly Member[], options: RoundOptions): Promise<RoundReport> {
  const lost: LostMember[] = [];
  let asked = await askMembers(members, lost, options);
  throwLost(lost, options);
  if (asked.length === 0) return roundReport({ members, reports: [], lost, absent: [] }, options);
  const present = matchMembers(asked, options.narrowing ?? {}).map(shardPlaces);
  asked = await buildTrees(asked, lost, present, options);
  // Listed once more, now of fresh trees: one round trip tells which shards agree, however many there are.
  asked = await askMembers(
    asked.map(({ member }) => member),
    lost,
    options,
  );
  throwLost(lost, options);
  const reports: ShardReport[] = [];
  let targets = asked.length === 0 ? [] : matchMembers(asked, options.narrowing ?? {});
  const absent = absentHolders(targets, asked, lost);
  targets = targets.filter((target) => {
    const equal = options.planPath === undefined ? listedEqual(target, asked) : null;
    if (equal !== null) reports.push(equal);
    return equal === null;
  });
  // Bounded by the members: every further turn is without one that was lost.
  while (targets.length > 0) {
    const { shards } = await repairTargets(targets, options);
    const gone = carriesPlan(options) ? new Map<string, CodedError>() : lostPlaces(shards, asked);
    reports.push(...shards.filter((shard) => !isLost(shard, gone)));
    lost.push(...asked.flatMap(({ member }) => lostMember(member, gone)));
    asked = asked.filter(({ member }) => !gone.has(member.place));
    targets = targets
      .filter((target) => shards.some((shard) => sameShard(shard, target) && isLost(shard, gone)))
      .map((target) => ({ ...target, copies: target.copies.filter(({ place }) => !gone.has(place)) }));
  }
  await buildTrees(asked, lost, reports.filter(({ changed }) => changed > 0).map(shardPlaces), options);
  return roundReport({ members, reports, lost, absent }, options);
}

/** Whether a plan that was kept is carried out, rather than one made now. */
function carriesPlan({ planPath, dryRun }: RoundOptions): boolean {
  return planPath !== undefined && dryRun !== true;
}

function throwLost(lost: readonly LostMember[], options: RoundOptions): void {
  const [first] = lost;
  if (first !== undefined && carriesPlan(options)) throw first.error;
}

function lostMember(member: Member, gone: ReadonlyMap<string, CodedError>): LostMember[] {
  const error = gone.get(member.place);
  return error === undefined ? [] : [{ member, error }];
}

/** Asks all members at once what they have; who does not answer is added to `lost`. */
export async function askMembers(
  members: readonly Member[],
  lost: LostMember[],
  { signal, onStep, narrowing = {} }: Pick<RoundOptions, 'signal' | 'onStep' | 'narrowing'>,
): Promise<AskedMember[]> {
  const { group, shard } = narrowing;
  // A shard count is told with the shards, so a number alone is looked for here.
  const filter = { ...(group !== undefined && { group, ...(shard !== undefined && { shard }) }) };
  onStep?.(`asking ${members.length} places`, 'ask');
  const offers = await Promise.all(
    members.map(async (member) => {
      try {
        return [{ member, offer: await member.offer(signal, filter) }];
      } catch (error) {
        throwIfAborted(signal);
        lost.push({ member, error: CodedError.from(error) });
        return [];
      }
    }),
  );
  return offers.flat();
}

/** A shard and the places that have a copy of it. */
interface ShardPlaces extends BuildOrder {
  readonly places: readonly string[];
}

function shardPlaces(
  shard: BuildOrder & { readonly copies: readonly { readonly place: string }[] },
): ShardPlaces {
  return { group: shard.group, shard: shard.shard, places: shard.copies.map(({ place }) => place) };
}

/** Builds what changed and returns who could; who could not is lost to this round, for its tree would be of then. */
async function buildTrees(
  asked: readonly AskedMember[],
  lost: LostMember[],
  shards: readonly ShardPlaces[],
  { signal, onStep }: RoundOptions,
): Promise<AskedMember[]> {
  const onProgress = (text: string): void => onStep?.(text, 'build');
  if (shards.length > 0) onProgress('building trees');
  const built = await Promise.all(
    asked.map(async (one) => {
      const orders = shards.filter(({ places }) => places.includes(one.member.place));
      try {
        if (orders.length > 0) await one.member.build(orders, { signal, onProgress });
        return [one];
      } catch (error) {
        throwIfAborted(signal);
        lost.push({ member: one.member, error: CodedError.from(error) });
        return [];
      }
    }),
  );
  return built.flat();
}

function repairTargets(targets: readonly ShardCopies[], options: RoundOptions): Promise<RepairReport> {
  const { planPath } = options;
  if (planPath !== undefined && carriesPlan(options)) return carryOutPlanFile(planPath, targets, options);
  return repairShards(targets, options);
}

/** Places that cannot be reached any more, or have no tree, and so kept a whole shard from being repaired. */
function lostPlaces(shards: readonly ShardReport[], asked: readonly AskedMember[]): Map<string, CodedError> {
  const gone = new Map<string, CodedError>();
  for (const { outcome, error } of shards) {
    const place = error?.details['place'];
    if (error === null || !keptAll(outcome, error) || typeof place !== 'string') continue;
    if (!gone.has(place) && asked.some(({ member }) => member.place === place)) gone.set(place, error);
  }
  return gone;
}

function isLost({ outcome, error }: ShardReport, gone: ReadonlyMap<string, CodedError>): boolean {
  return error !== null && keptAll(outcome, error) && gone.has(String(error.details['place']));
}

function keptAll(outcome: ShardReport['outcome'], { code }: CodedError): boolean {
  return outcome === 'failed' || code === 'no-tree';
}

function sameShard(a: { group: string; shard: number }, b: { group: string; shard: number }): boolean {
  return a.group === b.group && a.shard === b.shard;
}

interface RoundParts {
  readonly members: readonly Member[];
  readonly reports: readonly ShardReport[];
  readonly lost: readonly LostMember[];
  readonly absent: readonly AbsentHolder[];
}

function roundReport({ members, reports, lost, absent }: RoundParts, options: RoundOptions): RoundReport {
  const repair = reports.length === 0 ? { ...combineReports([]), ...noCounts } : combineReports(reports);
  const copies = members.map(({ place }) => copyReport(place, reports, lost, options));
  for (const [name, [first]] of Map.groupBy(absent, (holder) => holder.name)) {
    if (first === undefined) continue;
    const reason = readableAbsent(first);
    copies.push({ place: name, outcome: 'inconclusive', lost: true, changed: 0, awaitsBuild: [], reason });
  }
  const first = (outcome: RoundOutcome): RoundCopy | undefined =>
    copies.find((copy) => copy.outcome === outcome);
  const fault = reports.find((report) => report.outcome === 'failed' && !failedByLoss(report));
  if (fault !== undefined) return { outcome: 'failed', reason: fault.reason, repair, copies };
  // A copy that was lost explains those that only miss what it had.
  const missing =
    copies.find((copy) => copy.outcome === 'inconclusive' && copy.lost) ?? first('inconclusive');
  if (missing !== undefined) {
    return { outcome: 'inconclusive', reason: `${missing.place}: ${missing.reason}`, repair, copies };
  }
  if (repair.outcome === 'inconclusive')
    return { outcome: 'inconclusive', reason: repair.reason, repair, copies };
  if (carriesPlan(options) && repair.kept > 0) {
    const reason = `${repair.kept} planned changes were not made, for the copies have changed since the plan`;
    return { outcome: 'inconclusive', reason, repair, copies };
  }
  return { outcome: repair.outcome === 'differs' ? 'differs' : 'converged', reason: null, repair, copies };
}

/**
 * Whether copies were lost while a shard was carried out: what failed beside them may only have been theirs to
 * give, which the next round with all copies tells.
 */
function failedByLoss({ error, copies }: ShardReport): boolean {
  return error === null && copies.some((copy) => copy.error !== null);
}

function copyReport(
  place: string,
  reports: readonly ShardReport[],
  lost: readonly LostMember[],
  { dryRun = false }: RoundOptions,
): RoundCopy {
  const awaitsBuild = reports
    .filter(({ copies }) => copies.some((copy) => copy.place === place && copy.awaitsBuild))
    .map(({ group, shard }) => ({ group, shard }));
  const mine = reports.flatMap(({ copies }) => copies.filter((copy) => copy.place === place));
  const changed = mine.reduce((sum, copy) => sum + copy.changed, 0);
  const gone = lost.find(({ member }) => member.place === place);
  if (gone !== undefined)
    return { place, outcome: 'inconclusive', lost: true, changed, awaitsBuild, reason: gone.error.message };
  const error = mine.find((copy) => copy.error !== null)?.error ?? null;
  if (error !== null)
    return { place, outcome: 'inconclusive', lost: true, changed, awaitsBuild, reason: error.message };
  const faults = reports.filter(({ copies }) =>
    copies.some((copy) => copy.place === place && copy.failed > 0),
  );
  const heldBack = mine.reduce((sum, copy) => sum + copy.heldBack, 0);
  const held = heldBack === 0 ? null : `${heldBack} versions are held back`;
  if (!dryRun && faults.some((report) => !failedByLoss(report))) {
    const reason = held ?? 'some versions could not be applied';
    return { place, outcome: 'failed', lost: false, changed, awaitsBuild, reason };
  }
  if (!dryRun && faults.length > 0) {
    return {
      place,
      outcome: 'inconclusive',
      lost: false,
      changed,
      awaitsBuild,
      reason: 'some of what it lacks was only at a copy that was lost',
    };
  }
  const differs = dryRun && reports.some(({ outcome }) => outcome === 'differs');
  return {
    place,
    outcome: differs ? 'differs' : 'converged',
    lost: false,
    changed,
    awaitsBuild,
    reason: held,
  };
}
