/** Carries out a repair run: a round over this replica and its peers, over all, some, or one of the properties. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunResource } from '../admin/resources.ts';
import { publishFile, temporaryPath } from '../lib/atomic-file.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { splitEntity } from '../property/entity.ts';
import type { PlanEntry } from '../repair/plan.ts';
import { PlanFile } from '../repair/plan-file.ts';
import { plannedChanges } from '../repair/plan-shard.ts';
import { PlanSpool } from '../repair/plan-spool.ts';
import type { RepairProgress } from '../repair/report.ts';
import { BanyandbMember } from '../round/banyandb-member.ts';
import type { Member } from '../round/member.ts';
import type { RoundReport } from '../round/round-report.ts';
import { type RoundOptions, runRound } from '../round/run-round.ts';
import { isCluster } from './clusters.ts';
import type { KeptPlans } from './kept-plans.ts';
import { errorJson, type Run } from './run.ts';
import { countsOf } from './run-counts.ts';

export interface RepairWorkOptions {
  readonly clock: Clock;
  readonly plans: KeptPlans;
  readonly signal: AbortSignal;
}

/** Runs the round a run asks for over `members` and ends the run. Throws `fuse`, `cancelled`, `timeout` and what matching throws. */
export async function repairMembers(
  run: Run,
  members: readonly Member[],
  { plans, ...options }: RepairWorkOptions,
): Promise<RoundReport> {
  const { name, entity, dryRun, confirm, plan } = run.resource;
  const keepAt = run.order.keepPlan === true ? await plans.place(run.id) : undefined;
  const node = members.find((member) => member instanceof BanyandbMember);
  if (node !== undefined) run.limitPushes(node.pushRate);
  // A run of a cluster is of everything that its nodes have.
  const { group, shard } = isCluster(run.resource.group) ? { group: null, shard: null } : run.resource;
  const round: RoundOptions = {
    ...options,
    dryRun,
    confirmed: confirm,
    planPath: plan === null ? keepAt : await plans.find(plan),
    narrowing: { ...(group !== null && { group }), ...(shard !== null && { shard }) },
    onChange: (change) => run.change(change),
    onProgress: (progress) => {
      run.trace.phase(progress.phase, progress);
      run.progress(progress.phase, figures(progress));
    },
    onStep: (text, step) => {
      run.trace.phase(step);
      run.progress(text, {});
    },
  };
  // What a plan is of was chosen when it was made.
  const narrow = plan !== null || (name === null && entity === null) ? null : { name, entity };
  const report =
    narrow === null ? await runRound(members, round) : await narrowedRound(members, round, narrow, run);
  const { outcome, reason, repair, copies } = report;
  const untilMs = keepAt === undefined ? null : await plans.keptUntilMs(run.id);
  run.end({
    planUntil: untilMs === null ? null : new Date(untilMs).toISOString(),
    outcome,
    reason,
    error: repair.error && errorJson(repair.error),
    counts: countsOf(repair),
    shards: repair.shards.map(({ outcome: of, reason: why, differing, changed, ...one }) => ({
      ...{ group: one.group, shard: one.shard, differing, changed },
      outcome: of,
      reason: why,
    })),
    copies: copies.map(({ place, outcome: of, changed, reason: why }) => ({
      place,
      changed,
      outcome: of,
      reason: why,
    })),
  });
  return report;
}

function figures({
  slotsDone,
  slotsTotal,
  entitiesDone,
  entitiesTotal,
  bytes,
}: RepairProgress): Partial<NonNullable<RunResource['progress']>> {
  return { slotsDone, slotsTotal, propertiesDone: entitiesDone, propertiesTotal: entitiesTotal, bytes };
}

interface Narrow {
  readonly name: string | null;
  readonly entity: string | null;
}

// Slots are compared whole, so what is meant is chosen from the plan: a dry run keeps one, and of it only what
// is meant is carried out, where it still holds.
async function narrowedRound(
  members: readonly Member[],
  round: RoundOptions,
  narrow: Narrow,
  run: Run,
): Promise<RoundReport> {
  const directory = await mkdtemp(join(tmpdir(), 'tallystick-run-'));
  const { onChange: _, planPath: keepAt, ...quiet } = round;
  try {
    const planned = join(directory, 'planned');
    const report = await runRound(members, { ...quiet, dryRun: true, planPath: planned });
    await using plan = await PlanFile.open(planned, round.signal);
    const chosen = keepAt === undefined ? join(directory, 'chosen') : temporaryPath(keepAt);
    const differing = await choose(plan, chosen, narrow, round.dryRun === true ? run : null, round);
    if (keepAt !== undefined) await publishFile(chosen, keepAt);
    const counts = { differing, changed: 0, kept: 0, failed: 0, shipped: 0, bytes: 0 };
    const undecided = report.outcome === 'inconclusive' || report.outcome === 'failed';
    if (undecided || round.dryRun === true || differing === 0) {
      const outcome = undecided ? report.outcome : differing > 0 ? 'differs' : 'converged';
      return { ...report, outcome, repair: { ...report.repair, ...counts } };
    }
    return await runRound(members, { ...round, dryRun: false, planPath: chosen });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Writes what is meant of a plan to another; returns how many entities that are. */
async function choose(
  plan: PlanFile,
  path: string,
  narrow: Narrow,
  dryRun: Run | null,
  { clock, signal }: RoundOptions,
): Promise<number> {
  const places = [...new Set(plan.shards.flatMap(({ head }) => head.copies.map(({ place }) => place)))];
  if (places.length === 0) throw new CodedError('not-found', 'no shard could be compared');
  await using spool = await PlanSpool.create(path, {
    places,
    createdAt: new Date(clock.nowMs()).toISOString(),
  });
  let differing = 0;
  for (const planned of plan.shards) {
    await spool.startShard(planned.head);
    for await (const entries of planned.entries(signal)) {
      const meant = entries.filter((entry) => isMeant(entry, narrow));
      differing += meant.length;
      await spool.add(meant);
      for (const change of meant.flatMap(plannedChanges)) dryRun?.change(change);
    }
    await spool.endShard(planned.complete);
  }
  await spool.finish();
  return differing;
}

function isMeant({ entity }: PlanEntry, narrow: Narrow): boolean {
  if (narrow.entity !== null) return entity === narrow.entity;
  return splitEntity(entity).name === narrow.name;
}
