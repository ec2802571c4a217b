/**
 * One round: a repair over all copies of each shard. Members that cannot be reached are named and left out,
 * and the rest are made to agree; the round is then inconclusive, since it cannot say of all copies that they
 * converged. Stale trees are built first, so that what is compared is what is there, and again after changes.
 */
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { carryOutPlanFile, type RepairOptions, repairShards } from '../repair/repair-shards.ts';
import type { RepairReport, ShardReport } from '../repair/report.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import { listedEqual } from './listed-equal.ts';
import { absentHolders, type AskedMember, matchMembers, type Narrowing } from './match-members.ts';
import type { BuildOrder, LostMember, Member } from './member.ts';
import { type RoundReport, roundReport, sameShard } from './round-report.ts';

export interface RoundOptions extends RepairOptions {
  readonly narrowing?: Narrowing;
  /** Told how far asking and building is, for people. */
  readonly onStep?: ((text: string, step: RoundStep) => void) | undefined;
}

/** What a round does before and after it repairs. */
export type RoundStep = 'ask' | 'build';

/**
 * Runs a round over `members`. Throws `fuse` before anything changes, `cancelled`, and what matching throws; where
 * a kept plan is carried out also why a member cannot be reached, for a plan is of all of them.
 */
export async function runRound(members: readonly Member[], options: RoundOptions): Promise<RoundReport> {
  const lost: LostMember[] = [];
  let asked = await askMembers(members, lost, options);
  throwLost(lost, options);
  const how = { members, lost, dryRun: options.dryRun === true, carriesPlan: carriesPlan(options) };
  if (asked.length === 0) return roundReport({ ...how, targets: [], reports: [], absent: [] });
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
  const all = asked.length === 0 ? [] : matchMembers(asked, options.narrowing ?? {});
  const absent = absentHolders(all, asked, lost);
  let targets = all.filter((target) => {
    const equal = options.planPath === undefined ? listedEqual(target, asked) : null;
    if (equal !== null) reports.push(equal);
    return equal === null;
  });
  // Bounded by the members: every further turn is without one that was lost.
  while (targets.length > 0) {
    const keepsPlan = (planned: readonly ShardReport[]): boolean => lostPlaces(planned, asked).size === 0;
    const { shards } = await repairTargets(targets, { ...options, keepsPlan });
    const gone = carriesPlan(options) ? new Map<string, CodedError>() : lostPlaces(shards, asked);
    // A plan that is kept is of all shards, so all are planned anew.
    const again = options.planPath !== undefined && gone.size > 0 ? shards : [];
    const open = [...again, ...shards.filter((shard) => isLost(shard, gone))];
    reports.push(...shards.filter((shard) => !open.includes(shard)));
    lost.push(...asked.flatMap(({ member }) => lostMember(member, gone)));
    asked = asked.filter(({ member }) => !gone.has(member.place));
    targets = targets
      .filter((target) => open.some((shard) => sameShard(shard, target)))
      .map((target) => ({ ...target, copies: target.copies.filter(({ place }) => !gone.has(place)) }));
  }
  await buildTrees(asked, lost, reports.filter(({ changed }) => changed > 0).map(shardPlaces), options);
  return roundReport({ ...how, targets: all, reports, absent });
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
