/** `diff`: who has what and who wins, from the trees as they are. Builds and changes nothing. */
import type { Difference } from '../diff/diff-leaves.ts';
import { type DiffBudget, type DiffOutcome, diffShard } from '../diff/diff-shard.ts';
import { resolve, tellsVersion } from '../diff/resolve.ts';
import { toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { joinEntity, parseEntityKey } from '../property/entity.ts';
import { closeViews, openComparableViews } from '../repair/open-views.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import type { Leaf } from '../shard-copy/shard-copy.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes, wholeNumber } from './command.ts';
import { matchComparable } from './places.ts';
import { addNarrowing, openPlaces, type PlaceNarrowing } from './place-options.ts';

interface DiffCommandOptions extends PlaceNarrowing {
  readonly maxLeaves?: number;
  readonly maxBytes?: number;
  readonly maxSeconds?: number;
}

interface Totals {
  outcome: DiffOutcome['outcome'];
  reason: string | null;
  differing: number;
  stale: boolean;
  slotsCompared: number;
  leavesRead: number;
}

const countMax = Number.MAX_SAFE_INTEGER;

export const addDiff: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('diff')
    .description('Compares the trees of two or more places: who has what, who wins.')
    .argument('<places...>', 'data roots or tree files, at least two')
    .option('--max-leaves <count>', 'give up as inconclusive beyond this many leaves read', wholeNumber(1, countMax))
    .option('--max-bytes <count>', 'the same for bytes of leaves', wholeNumber(1, countMax))
    .option('--max-seconds <count>', 'the same for time', wholeNumber(1, 1_000_000))
    .addHelpText('after', '\nExample: tallystick diff ./replica-1 ./replica-2 ./replica-3');
  addRun<DiffCommandOptions>(addNarrowing(command), environment, onExit, runDiff);
};

async function runDiff(context: CommandContext, names: string[], options: DiffCommandOptions): Promise<ExitCode> {
  if (new Set(names).size < 2) {
    throw new CodedError('bad-argument', 'diff takes at least two different places', { field: 'places', value: names });
  }
  await using builder = new TreeBuilder();
  const places = await openPlaces(context, names, { ...options, builder });
  const totals: Totals = { outcome: 'matched', reason: null, differing: 0, stale: false, slotsCompared: 0, leavesRead: 0 };
  for (const target of await matchComparable(places, options, context.signal)) {
    try {
      await compareShard(context, target, diffBudget(options), totals);
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'no-tree') throw error;
      addOutcome(totals, { outcome: 'inconclusive', reason: error.message });
    }
  }
  const { outcome, reason, differing } = totals;
  const stale = totals.stale ? '; an index has moved on since its tree was built' : '';
  const why = reason === null ? '' : ` (${reason})`;
  await context.out.summary({ ...totals }, `${outcome}${why}: ${differing} differing${stale}`);
  return { matched: exitCodes.done, differs: exitCodes.differs, inconclusive: exitCodes.inconclusive }[outcome];
}

function diffBudget({ maxLeaves, maxBytes, maxSeconds }: DiffCommandOptions): DiffBudget {
  return {
    ...(maxLeaves !== undefined && { leaves: maxLeaves }),
    ...(maxBytes !== undefined && { bytes: maxBytes }),
    ...(maxSeconds !== undefined && { timeMs: maxSeconds * 1000 }),
  };
}

async function compareShard(
  { out, clock, signal }: CommandContext,
  { group, shard, copies }: ShardCopies,
  budget: DiffBudget,
  totals: Totals,
): Promise<void> {
  const { views } = await openComparableViews(copies, signal);
  try {
    const diff = diffShard(views, {
      clock,
      budget,
      signal,
      onProgress: ({ slotsDone, slotsTotal, differing }) =>
        out.progress(() => `comparing ${group}/${shard}: ${slotsDone} of ${slotsTotal} slots, ${differing} differing`),
    });
    for await (const difference of diff) {
      const places = copies.map(({ place }) => place);
      await out.result(...differenceLine(group, shard, places, difference));
    }
    totals.stale ||= views.some(({ view }) => view.description.stale);
    totals.differing += diff.result.differing;
    totals.slotsCompared += diff.result.slotsCompared;
    totals.leavesRead += diff.result.leavesRead;
    addOutcome(totals, diff.result);
  } finally {
    await closeViews(views);
  }
}

function addOutcome(totals: Totals, added: DiffOutcome): void {
  const gravity = ['matched', 'differs', 'inconclusive'];
  if (gravity.indexOf(added.outcome) <= gravity.indexOf(totals.outcome)) return;
  totals.outcome = added.outcome;
  totals.reason = added.outcome === 'inconclusive' ? added.reason : null;
}

function differenceLine(
  group: string,
  shard: number,
  places: readonly string[],
  { key, leaves }: Difference,
): [Record<string, unknown>, string] {
  const entity = joinEntity(parseEntityKey(group, key));
  const winner = resolve(leaves)?.version ?? null;
  const copies = leaves.map((leaf, copy) => ({ place: places[copy], state: stateOf(leaf), ...versionJson(leaf) }));
  const readable = leaves.map((leaf, copy) => {
    const wins = leaf !== null && winner !== null && leaf.digest.equals(winner.digest) ? ' (wins)' : '';
    return `  ${places[copy]}: ${readableLeaf(leaf)}${wins}`;
  });
  const line = { group, shard, entity, copies, winner: winner && tellsVersion(winner) ? versionJson(winner) : null };
  return [line, [entity, ...readable].join('\n')];
}

function stateOf(leaf: Leaf | null): 'live' | 'deleted' | 'absent' | 'unknown' {
  if (leaf === null) return 'absent';
  if (leaf.deleteTime === null) return 'unknown';
  return leaf.deleteTime === 0n ? 'live' : 'deleted';
}

function versionJson(leaf: Leaf | null): Record<string, unknown> {
  if (leaf === null) return { revision: null, deleteTime: null, digest: null };
  return { revision: leaf.revision, deleteTime: leaf.deleteTime, digest: toHex(leaf.digest) };
}

function readableLeaf(leaf: Leaf | null): string {
  if (leaf === null) return 'absent';
  if (leaf.revision === null) return `digest ${toHex(leaf.digest).slice(0, 16)}`;
  return `revision ${leaf.revision}${leaf.deleteTime ? `, deleted ${leaf.deleteTime}` : ''}`;
}
