/** `round`: a repair over all members of a cluster, shard by shard; who cannot be reached is named and left out. */
import { CodedError } from '../lib/coded-error.ts';
import type { Member } from '../round/member.ts';
import type { RoundCopy, RoundOutcome, RoundReport } from '../round/round-report.ts';
import { runRound } from '../round/run-round.ts';
import { addRepairFlags, changeResult, readableProgress, type RepairFlags } from './changes.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';
import { addMemberOptions, type MemberOptions, withMembers } from './member-options.ts';
import { pushRateOf, readableRate } from './node-options.ts';

interface RoundCommandOptions extends MemberOptions, RepairFlags {}

export const addRound: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('round')
    .description(
      'Repairs all shards over all named replicas; each value goes at most once to each that lacks it.',
    )
    .argument('[places...]', 'HOST:PORT or data roots')
    .addHelpText('after', '\nExample: tallystick round --nodes nodes.yaml');
  addRun<RoundCommandOptions>(
    addRepairFlags(addMemberOptions(command)),
    environment,
    onExit,
    (context, names, options) =>
      withMembers(context, names, options, (members) => roundOver(context, members, options)),
  );
};

async function roundOver(
  context: CommandContext,
  members: readonly Member[],
  options: RoundCommandOptions,
): Promise<ExitCode> {
  if (members.length < 2) {
    throw new CodedError('bad-argument', 'a round takes at least two places', {
      field: 'places',
      value: members.length,
    });
  }
  const { out, clock, signal } = context;
  const report = await runRound(members, {
    clock,
    signal,
    narrowing: options,
    dryRun: options.dryRun === true,
    planPath: options.plan,
    confirmed: options.confirm ?? null,
    onChange: (change) => out.result(...changeResult(change)),
    onProgress: (progress) => out.progress(() => readableProgress(progress)),
    onStep: (text) => out.progress(() => text),
  });
  await tellRound(context, report, pushRateOf(members, options));
  return exitCodeOf(report.outcome);
}

async function tellRound(
  { out }: CommandContext,
  { outcome, reason, repair, copies }: RoundReport,
  pushRate: number | null,
): Promise<void> {
  const { stale, otherSpelling, differing, changed, kept, failed, heldBack, shipped, bytes } = repair;
  const counts = { stale, otherSpelling, differing, changed, kept, failed, heldBack, shipped, bytes };
  const lines = copies.map((copy) => {
    const why = copy.reason === null ? '' : ` (${copy.reason})`;
    return `  ${copy.place}: ${copy.outcome}, ${copy.changed} changed${why}`;
  });
  const why = reason === null ? '' : ` (${reason})`;
  const held = heldBack === 0 ? '' : `${heldBack} held back, `;
  const readable = `${outcome}${why}: ${differing} differing, ${changed} changed, ${held}${shipped} values sent, ${bytes} bytes`;
  const aboutNodes = pushRate === null ? [] : readableNodes(pushRate, otherSpelling, copies);
  await out.summary(
    { outcome, reason, ...counts, shards: repair.shards.length, pushRate, copies },
    [readable, ...lines, ...aboutNodes].join('\n'),
  );
}

// Shards named in a line; all are in the JSON.
const shardsNamedMax = 10;

// What an operator of BanyanDB nodes should know beside the counts.
function readableNodes(pushRate: number, otherSpelling: number, copies: readonly RoundCopy[]): string[] {
  const lines = [readableRate(pushRate)];
  if (otherSpelling > 0)
    lines.push(`${otherSpelling} entities are equal but spelled otherwise; nothing was sent for them`);
  for (const { place, awaitsBuild } of copies) {
    if (awaitsBuild.length === 0) continue;
    const shards = awaitsBuild.slice(0, shardsNamedMax).map(({ group, shard }) => `${group} shard ${shard}`);
    if (awaitsBuild.length > shardsNamedMax) shards.push(`${awaitsBuild.length - shardsNamedMax} more`);
    lines.push(
      `${place}: its tree is behind what it has, and waits for its next build: ${shards.join(', ')}`,
    );
  }
  return lines;
}

function exitCodeOf(outcome: RoundOutcome): ExitCode {
  const { done, differs, inconclusive, error } = exitCodes;
  return { converged: done, differs, inconclusive, failed: error }[outcome];
}
