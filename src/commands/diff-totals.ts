/** Comparing shards and adding up what came of it; for `diff` and `audit`. */
import type { Difference } from '../diff/diff-leaves.ts';
import { type DiffBudget, type DiffOutcome, diffShard } from '../diff/diff-shard.ts';
import { differenceJson } from '../diff/difference-json.ts';
import { resolve } from '../diff/resolve.ts';
import { toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { closeViews, openComparableViews } from '../repair/open-views.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import type { Version } from '../property/version.ts';
import type { Leaf } from '../shard-copy/shard-copy.ts';
import { type Command, type CommandContext, type ExitCode, exitCodes, wholeNumber } from './command.ts';

export interface DiffOptions {
  readonly maxLeaves?: number;
  readonly maxBytes?: number;
  readonly maxSeconds?: number;
}

/** Adds the budget of a comparison. */
export function addDiffOptions(command: Command): Command {
  const count = wholeNumber(1, Number.MAX_SAFE_INTEGER);
  return command
    .option('--max-leaves <count>', 'give up as inconclusive beyond this many leaves read of a shard', count)
    .option('--max-bytes <count>', 'the same for bytes of leaves', count)
    .option('--max-seconds <count>', 'the same for time', wholeNumber(1, 1_000_000));
}

export function budgetOf({ maxLeaves, maxBytes, maxSeconds }: DiffOptions): DiffBudget {
  return {
    ...(maxLeaves !== undefined && { leaves: maxLeaves }),
    ...(maxBytes !== undefined && { bytes: maxBytes }),
    ...(maxSeconds !== undefined && { timeMs: maxSeconds * 1000 }),
  };
}

/** What only values show. */
export interface ValueCounts {
  /** Entities that are equal but spelled otherwise. */
  readonly otherSpelling: number;
  /** Entities that trees have and nobody gives. */
  readonly unanswered: number;
  /** Deletes that BanyanDB's own repair may bring back. */
  readonly undeletes: number;
}

function readableCounts({ otherSpelling, unanswered, undeletes }: ValueCounts): string {
  const spelled = otherSpelling > 0 ? `, ${otherSpelling} equal but spelled otherwise` : '';
  const silent = unanswered > 0 ? `, ${unanswered} that no replica gives` : '';
  const back = undeletes > 0 ? `; BanyanDB's own repair may bring ${undeletes} deletes back` : '';
  return `${spelled}${silent}${back}`;
}

/** The summary over all shards: the gravest outcome counts. */
export class DiffTotals {
  #outcome: DiffOutcome['outcome'] = 'matched';
  #reason: string | null = null;
  #differing = 0;
  #stale = false;
  #slotsCompared = 0;
  #leavesRead = 0;
  #values: ValueCounts | null = null;

  /** Entities found to differ so far. */
  get differing(): number {
    return this.#differing;
  }

  /** A shard whose roots agree. */
  matched(stale: boolean): void {
    this.#stale ||= stale;
  }

  /** Something could not be compared. */
  inconclusive(reason: string): void {
    this.#add({ outcome: 'inconclusive', reason });
  }

  /** A shard that was compared. */
  compared(
    result: DiffOutcome & { differing: number; slotsCompared: number; leavesRead: number },
    stale: boolean,
  ): void {
    this.#stale ||= stale;
    this.#differing += result.differing;
    this.#slotsCompared += result.slotsCompared;
    this.#leavesRead += result.leavesRead;
    this.#add(result);
  }

  /** What the values of a shard's differences showed. */
  valued({ otherSpelling, unanswered, undeletes }: ValueCounts): void {
    const before = this.#values ?? { otherSpelling: 0, unanswered: 0, undeletes: 0 };
    this.#values = {
      otherSpelling: before.otherSpelling + otherSpelling,
      unanswered: before.unanswered + unanswered,
      undeletes: before.undeletes + undeletes,
    };
  }

  #add(added: DiffOutcome): void {
    const gravity = ['matched', 'differs', 'inconclusive'];
    if (gravity.indexOf(added.outcome) <= gravity.indexOf(this.#outcome)) return;
    this.#outcome = added.outcome;
    this.#reason = added.outcome === 'inconclusive' ? added.reason : null;
  }

  /** Writes the summary and says with which code the process ends. */
  async tell({ out }: CommandContext): Promise<ExitCode> {
    const summary = {
      outcome: this.#outcome,
      reason: this.#reason,
      differing: this.#differing,
      stale: this.#stale,
      slotsCompared: this.#slotsCompared,
      leavesRead: this.#leavesRead,
      ...this.#values,
    };
    const why = this.#reason === null ? '' : ` (${this.#reason})`;
    const stale = this.#stale ? '; an index has moved on since its tree was built' : '';
    const values = this.#values === null ? '' : readableCounts(this.#values);
    await out.summary(summary, `${this.#outcome}${why}: ${this.#differing} differing${values}${stale}`);
    const { done, differs, inconclusive } = exitCodes;
    return { matched: done, differs, inconclusive }[this.#outcome];
  }
}

/** Compares one shard, tells each differing entity, and adds to the totals; without a tree it is inconclusive. */
export async function compareShard(
  context: CommandContext,
  target: ShardCopies,
  options: DiffOptions,
  totals: DiffTotals,
): Promise<void> {
  try {
    await compareViews(context, target, options, totals);
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'no-tree') throw error;
    totals.inconclusive(error.message);
  }
}

async function compareViews(
  { out, clock, signal }: CommandContext,
  { group, shard, copies }: ShardCopies,
  options: DiffOptions,
  totals: DiffTotals,
): Promise<void> {
  const { views } = await openComparableViews(copies, signal);
  try {
    const diff = diffShard(views, {
      clock,
      budget: budgetOf(options),
      signal,
      onProgress: ({ slotsDone, slotsTotal, differing }) =>
        out.progress(
          () => `comparing ${group}/${shard}: ${slotsDone} of ${slotsTotal} slots, ${differing} differing`,
        ),
    });
    const places = copies.map(({ place }) => place);
    for await (const difference of diff)
      await out.result(...differenceResult({ group, shard }, places, difference));
    totals.compared(
      diff.result,
      views.some(({ view }) => view.description.stale),
    );
  } finally {
    await closeViews(views);
  }
}

function differenceResult(
  shard: Pick<ShardCopies, 'group' | 'shard'>,
  places: readonly string[],
  difference: Difference,
): [Record<string, unknown>, string] {
  const json = differenceJson(shard, places, difference);
  const winner = resolve(difference.leaves)?.version ?? null;
  const readable = difference.leaves.map((leaf, copy) => {
    const wins = leaf !== null && winner !== null && leaf.digest.equals(winner.digest) ? ' (wins)' : '';
    return `  ${places[copy]}: ${readableLeaf(leaf)}${wins}`;
  });
  return [{ ...json }, [json.entity, ...readable].join('\n')];
}

export function readableLeaf(leaf: Version | Leaf | null): string {
  if (leaf === null) return 'absent';
  if (leaf.revision === null) return `digest ${toHex(leaf.digest).slice(0, 16)}`;
  return `revision ${leaf.revision}${leaf.deleteTime ? `, deleted ${leaf.deleteTime}` : ''}`;
}
