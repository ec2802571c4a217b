/** `repair`: makes all copies of the named places converge; stale trees of local places are built first and after. */
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import { carryOutPlanFile, repairShards } from '../repair/repair-shards.ts';
import type { RepairChange, RepairOutcome, RepairProgress, RepairReport } from '../repair/report.ts';
import type { Member } from '../round/member.ts';
import { addRepairFlags, changeResult, readableProgress, type RepairFlags } from './changes.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';
import { pushRateOf, readableRate } from './node-options.ts';
import { addPlaceOptions, type PlaceOptions, withPlaces } from './place-options.ts';
import { matchComparable } from './places.ts';

interface RepairCommandOptions extends PlaceOptions, RepairFlags {}

export const addRepair: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('repair')
    .description(
      'Makes all copies agree: the greatest version of every entity at every place, deletes included.',
    )
    .argument('<places...>', 'data roots or HOST:PORT, at least two')
    .addHelpText(
      'after',
      `
Examples:
  tallystick repair ./replica-1 ./replica-2 --dry-run --plan repair.plan
  tallystick repair ./replica-1 ./replica-2 --plan repair.plan
Running it again continues a repair that ended early, and ships nothing when all agree.`,
    );
  addRun<RepairCommandOptions>(addRepairFlags(addPlaceOptions(command)), environment, onExit, runRepair);
};

async function runRepair(
  context: CommandContext,
  names: string[],
  options: RepairCommandOptions,
): Promise<ExitCode> {
  if (names.length < 2) {
    throw new CodedError('bad-argument', 'repair takes at least two places', {
      field: 'places',
      value: names,
    });
  }
  return withPlaces(context, names, options, (places) => repairPlaces(context, places, options));
}

async function repairPlaces(
  context: CommandContext,
  places: readonly Member[],
  options: RepairCommandOptions,
): Promise<ExitCode> {
  const file = places.find(({ kind }) => kind === 'tree-file');
  if (file !== undefined) {
    const message = `${file.place} is a tree file: it can be compared, not repaired`;
    throw new CodedError('read-only', message, { place: file.place });
  }
  const targets = await matchComparable(places, options, context.signal);
  await buildTrees(context, places, targets);
  const repaired = await repairTargets(context, targets, options);
  throwWhereNothingRan(repaired);
  const report = repaired.changed > 0 ? await buildAgain(context, places, targets, repaired) : repaired;
  const leftOut = options.plan === undefined || options.dryRun === true ? [] : notPlanned(targets, report);
  await tellReport(context, report, { pushRate: pushRateOf(places, options), leftOut });
  return exitCodeOf(report.outcome);
}

/** Builds the trees that are stale, so that what is compared is what is there. */
async function buildTrees(
  { out, signal }: CommandContext,
  places: readonly Member[],
  targets: readonly ShardCopies[],
): Promise<void> {
  const onProgress = (text: string): void => out.progress(() => text);
  await Promise.all(
    places.map((member) =>
      member.build(
        targets.filter(({ copies }) => copies.some(({ place }) => place === member.place)),
        { signal, onProgress },
      ),
    ),
  );
}

/** Builds what was changed. Where that fails the changes were made all the same, so their report is told. */
async function buildAgain(
  context: CommandContext,
  places: readonly Member[],
  targets: readonly ShardCopies[],
  report: RepairReport,
): Promise<RepairReport> {
  try {
    await buildTrees(context, places, targets);
    return report;
  } catch (error) {
    throwIfAborted(context.signal);
    const unbuilt = `a tree could not be built afterwards: ${CodedError.from(error).message}`;
    return {
      ...report,
      outcome: 'failed',
      reason: report.reason === null ? unbuilt : `${report.reason}; ${unbuilt}`,
    };
  }
}

function repairTargets(
  { out, clock, signal }: CommandContext,
  targets: readonly ShardCopies[],
  { dryRun = false, plan, confirm = null }: { dryRun?: boolean; plan?: string; confirm?: number | null },
): Promise<RepairReport> {
  const onChange = (change: RepairChange): Promise<void> => out.result(...changeResult(change));
  const onProgress = (progress: RepairProgress): void => out.progress(() => readableProgress(progress));
  const shared = { clock, signal, confirmed: confirm, onChange, onProgress };
  if (plan !== undefined && !dryRun) return carryOutPlanFile(plan, targets, shared);
  return repairShards(targets, { ...shared, dryRun, planPath: plan });
}

/** Where copies are that a plan which was carried out is not of, each place as often as it has any. */
function notPlanned(targets: readonly ShardCopies[], { shards }: RepairReport): string[] {
  return targets.flatMap(({ group, shard, copies }) => {
    const planned = shards.find((one) => one.group === group && one.shard === shard)?.copies ?? [];
    return copies.flatMap(({ place }) => (planned.some((copy) => copy.place === place) ? [] : [place]));
  });
}

// Where every attempt failed before anything was sent, the error itself says more than a summary of nothing.
function throwWhereNothingRan(report: RepairReport): void {
  const failed = report.shards.find(({ outcome, error }) => outcome === 'failed' && error !== null);
  const error = failed?.error ?? null;
  if (error !== null && report.shipped === 0) throw error;
}

function exitCodeOf(outcome: RepairOutcome): ExitCode {
  const codes: Record<RepairOutcome, ExitCode> = {
    matched: exitCodes.done,
    skipped: exitCodes.done,
    repaired: exitCodes.done,
    differs: exitCodes.differs,
    inconclusive: exitCodes.inconclusive,
    failed: exitCodes.error,
  };
  return codes[outcome];
}

async function tellReport(
  { out }: CommandContext,
  report: RepairReport,
  { pushRate, leftOut }: { readonly pushRate: number | null; readonly leftOut: readonly string[] },
): Promise<void> {
  const {
    outcome,
    reason,
    stale,
    otherSpelling,
    differing,
    changed,
    kept,
    failed,
    heldBack,
    shipped,
    bytes,
  } = report;
  const counts = { differing, changed, kept, failed, heldBack, shipped, bytes };
  const why = reason === null ? '' : ` (${reason})`;
  const held = heldBack === 0 ? '' : ` (${heldBack} held back)`;
  const readable = `${outcome}${why}: ${differing} differing, ${changed} changed, ${kept} kept, ${failed} failed${held}; ${shipped} values sent, ${bytes} bytes`;
  const lines = [readable];
  const places = [...new Set(leftOut)];
  if (leftOut.length > 0)
    lines.push(`the plan is not of ${leftOut.length} copies, at ${places.join(', ')}: they are as they were`);
  if (pushRate !== null) lines.push(readableRate(pushRate));
  const more = {
    ...(leftOut.length > 0 && { leftOut: { copies: leftOut.length, places } }),
    ...(pushRate !== null && { pushRate }),
  };
  await out.summary({ outcome, reason, stale, otherSpelling, ...counts, ...more }, lines.join('\n'));
}
