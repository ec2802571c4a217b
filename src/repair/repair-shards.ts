/**
 * A repair command over any number of shards: plans all of them into one spool, checks the fuse over all,
 * and only then changes anything. Also keeps the plan of a dry run in a file, and carries such a file out.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publishFile, temporaryPath } from '../lib/atomic-file.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { checkFuse } from './fuse.ts';
import type { PlannedShard, PlanSink } from './plan.ts';
import { PlanFile } from './plan-file.ts';
import { RunPlan } from './run-plan.ts';
import { plannedChanges, type PlanOptions, type ShardCopies } from './plan-shard.ts';
import { PlanSpool } from './plan-spool.ts';
import { planOne, type PlanningResult, repairOne, repairStanding, reportPlanned } from './repair-shard.ts';
import { combineReports, type RepairChange, type RepairReport, type ShardReport } from './report.ts';

export interface RepairOptions extends Omit<PlanOptions, 'onHeldBack' | 'heads'> {
  /** Plan and report only. */
  readonly dryRun?: boolean;
  /** Where a dry run keeps its plan; replaces what is there. */
  readonly planPath?: string | undefined;
  /** Whether the plan is kept and its changes are told; where not, it is to be made anew. */
  readonly keepsPlan?: ((shards: readonly ShardReport[]) => boolean) | undefined;
  /** How many replacements of live properties are confirmed, over all copies; null for none. */
  readonly confirmed?: number | null | undefined;
  /** Where the spool is put; default the system's temporary folder. */
  readonly spoolDirectory?: string | undefined;
  /** Called for every change, in the order they are made; waited for. */
  readonly onChange?: ((change: RepairChange) => void | Promise<void>) | undefined;
}

/**
 * Repairs the shards, or with `dryRun` says what it would do. Throws `fuse` before anything is changed, and
 * `cancelled`; what goes wrong with one shard or copy is in the report.
 */
export async function repairShards(
  targets: readonly ShardCopies[],
  options: RepairOptions,
): Promise<RepairReport> {
  const { dryRun = false, planPath } = options;
  if (planPath !== undefined && !dryRun) {
    throw new CodedError('bad-argument', 'a plan is kept by a dry run only', {
      field: 'plan',
      value: planPath,
    });
  }
  if (planPath !== undefined) return await planKept(targets, planPath, options);
  const directory = await mkdtemp(join(options.spoolDirectory ?? tmpdir(), 'tallystick-'));
  try {
    await using plan = await RunPlan.create(join(directory, 'plan'));
    const planning = await planAll(targets, plan, { ...options, heads: !dryRun });
    if (!dryRun) return await carryOutAll(targets, planning, plan.shards, options);
    await tellPlanned(plan.shards, options);
    return reportPlanning(targets, planning);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A dry run that keeps its plan; the file appears whole or not at all. */
async function planKept(
  targets: readonly ShardCopies[],
  planPath: string,
  options: RepairOptions,
): Promise<RepairReport> {
  const path = temporaryPath(planPath);
  try {
    const places = [...new Set(targets.flatMap(({ copies }) => copies.map(({ place }) => place)))];
    const createdAt = new Date(options.clock.nowMs()).toISOString();
    let planning: PlanningResult[];
    {
      await using spool = await PlanSpool.create(path, { places, createdAt });
      planning = await planAll(targets, spool, options);
      await spool.finish();
    }
    const report = reportPlanning(targets, planning);
    if (options.keepsPlan?.(report.shards) === false) return report;
    await using plan = await PlanFile.open(path, options.signal);
    await tellPlanned(plan.shards, options);
    await publishFile(path, planPath);
    return report;
  } finally {
    await rm(path, { force: true });
  }
}

/**
 * Carries out a plan that a dry run kept, where it still holds. `targets` are the copies of at least the
 * shards and places it names. Throws `bad-plan`, `fuse` or `cancelled`; the rest is in the report.
 */
export async function carryOutPlanFile(
  path: string,
  targets: readonly ShardCopies[],
  options: Pick<RepairOptions, 'confirmed' | 'signal' | 'onChange' | 'onProgress'>,
): Promise<RepairReport> {
  const { confirmed = null, signal, onChange, onProgress } = options;
  await using plan = await PlanFile.open(path, signal);
  const fitting = plan.shards.map((planned) => ({ planned, target: fitTarget(path, planned, targets) }));
  checkFuse(
    plan.shards.filter(({ complete }) => complete),
    confirmed,
  );
  const reports: ShardReport[] = [];
  for (const { planned, target } of fitting) {
    reports.push(
      await repairStanding(target, planned, { confirmed, onlyStanding: true, signal, onChange, onProgress }),
    );
  }
  return combineReports(reports);
}

async function planAll(
  targets: readonly ShardCopies[],
  spool: PlanSink,
  options: PlanOptions & Pick<RepairOptions, 'onChange'>,
): Promise<PlanningResult[]> {
  const planning: PlanningResult[] = [];
  for (const target of targets) {
    throwIfAborted(options.signal);
    planning.push(await planOne(target, spool, { ...options, onHeldBack: options.onChange }));
  }
  return planning;
}

async function tellPlanned(
  shards: readonly PlannedShard[],
  { signal, onChange }: RepairOptions,
): Promise<void> {
  for (const planned of shards) {
    for await (const entries of planned.entries(signal)) {
      for (const change of entries.flatMap(plannedChanges)) await onChange?.(change);
    }
  }
}

function reportPlanning(targets: readonly ShardCopies[], planning: readonly PlanningResult[]): RepairReport {
  return combineReports(
    pair(targets, planning).map(({ target, result }) =>
      'report' in result ? result.report : reportPlanned(target, result.plan),
    ),
  );
}

async function carryOutAll(
  targets: readonly ShardCopies[],
  planning: readonly PlanningResult[],
  shards: readonly PlannedShard[],
  { confirmed = null, signal, onChange, onProgress }: RepairOptions,
): Promise<RepairReport> {
  const complete = shards.filter((planned) => planned.complete);
  crashPoint('carry:fuse');
  checkFuse(complete, confirmed);
  crashPoint('carry:start');
  const reports: ShardReport[] = [];
  for (const { target, result } of pair(targets, planning)) {
    throwIfAborted(signal);
    const planned = 'plan' in result ? complete.shift() : undefined;
    if ('report' in result) reports.push(result.report);
    else if (planned !== undefined) {
      const carry = { confirmed, onlyStanding: false, signal, onChange, onProgress };
      reports.push(await repairOne(target, result.plan, planned, carry));
    }
  }
  return combineReports(reports);
}

function pair(
  targets: readonly ShardCopies[],
  planning: readonly PlanningResult[],
): { target: ShardCopies; result: PlanningResult }[] {
  return planning.flatMap((result, position) => {
    const target = targets[position];
    return target === undefined ? [] : [{ target, result }];
  });
}

function fitTarget(path: string, { head }: PlannedShard, targets: readonly ShardCopies[]): ShardCopies {
  const { group, shard, copies } = head;
  const target = targets.find((candidate) => candidate.group === group && candidate.shard === shard);
  if (target === undefined) {
    throw new CodedError(
      'bad-plan',
      `${path} is for group ${group}, shard ${shard}, which is not at these places`,
      {
        file: path,
        group,
        shard,
      },
    );
  }
  const absent = copies.find(({ place }) => !target.copies.some((copy) => copy.place === place));
  // Other copies of it the plan knows nothing of.
  const planned = target.copies.filter(({ place }) => copies.some((copy) => copy.place === place));
  if (absent === undefined) return { ...target, copies: planned };
  throw new CodedError('bad-plan', `${path} is for ${absent.place}, which is not among these places`, {
    file: path,
    place: absent.place,
  });
}
