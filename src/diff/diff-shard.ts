/**
 * Compares N views of one shard: roots, then slot lists, then the leaves of differing slots, each read from
 * one copy of every group of copies that agree on the slot. Reads only; cost is in proportion to the slots
 * that differ, memory to the number of copies.
 *
 * A comparison is `matched` or `differs` only when it was completed; until then, and for good where a budget
 * ran out or the reader stopped early, it is `inconclusive`.
 */
import { assert } from '../lib/assert.ts';
import { compareBytes } from '../lib/bytes.ts';
import type { Clock } from '../lib/clock.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { checkAlike, type CommonTraits } from './check-alike.ts';
import { PlacementCheck } from './check-placement.ts';
import { diffLeaves, type Difference } from './diff-leaves.ts';
import { diffSlots, groupAlike, type PlacedView, type SlotDifference } from './diff-slots.ts';
import { LeafCursor } from './leaf-cursor.ts';

/** What a comparison may cost; it ends as inconclusive beyond. Absent: no limit. */
export interface DiffBudget {
  /** Leaves read, over all copies. */
  readonly leaves?: number;
  /** Bytes of leaves read, over all copies. */
  readonly bytes?: number;
  readonly timeMs?: number;
}

export interface DiffProgress {
  readonly slotsDone: number;
  /** Slots that differ. */
  readonly slotsTotal: number;
  readonly leavesRead: number;
  readonly differing: number;
  readonly bytes: number;
}

export interface DiffOptions {
  readonly clock: Clock;
  readonly budget?: DiffBudget;
  /**
   * Whether leaves may come with heads of digests where a slot is empty at all copies but one; who says so fetches
   * their values and holds these to the slot. Default false.
   */
  readonly heads?: boolean;
  readonly signal?: AbortSignal;
  /** Called after each slot. */
  readonly onProgress?: (progress: DiffProgress) => void;
}

export type DiffOutcome =
  | { readonly outcome: 'matched' }
  | { readonly outcome: 'differs' }
  | { readonly outcome: 'inconclusive'; readonly reason: string };

export type DiffResult = DiffOutcome & {
  /** Non-empty slots whose digests were compared; 0 where the roots agreed. */
  readonly slotsCompared: number;
  readonly leavesRead: number;
  /** Entities found to differ so far. */
  readonly differing: number;
  /** Bytes of leaves read. */
  readonly bytes: number;
};

/** One comparison; iterate it once, then ask for its result. */
export class ShardDiff implements AsyncIterable<Difference> {
  #views: readonly PlacedView[];
  #options: DiffOptions;
  #traits: CommonTraits;
  #outcome: DiffOutcome = { outcome: 'inconclusive', reason: 'the comparison was not completed' };
  #slotsCompared = 0;
  #differing = 0;
  #budgetSpent = false;
  #cursors: (LeafCursor | null)[] = [];
  #startedMs: number;

  constructor(views: readonly PlacedView[], traits: CommonTraits, options: DiffOptions) {
    this.#views = views;
    this.#traits = traits;
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
  }

  /** How it stands: final once the iteration has ended. */
  get result(): DiffResult {
    return {
      ...this.#outcome,
      slotsCompared: this.#slotsCompared,
      differing: this.#differing,
      ...this.#read(),
    };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Difference> {
    for await (const page of this.pages()) yield* page;
  }

  /** As iterating it does, many at once. */
  async *pages(): AsyncGenerator<readonly Difference[]> {
    const { signal } = this.#options;
    throwIfAborted(signal);
    const [first] = this.#views;
    const root = first?.view.description.root ?? Buffer.alloc(0);
    if (this.#views.every(({ view }) => compareBytes(view.description.root, root) === 0)) {
      this.#outcome = { outcome: 'matched' };
      return;
    }
    const { differing, compared } = await diffSlots(this.#views, signal);
    this.#slotsCompared = compared;
    try {
      yield* this.#diffSlotsLeaves(differing);
    } finally {
      for (const cursor of this.#cursors) cursor?.close();
    }
  }

  async *#diffSlotsLeaves(slots: readonly SlotDifference[]): AsyncGenerator<readonly Difference[]> {
    const { signal, onProgress } = this.#options;
    const placement = new PlacementCheck(this.#views, this.#traits);
    const plans = slots.map(readingPlan);
    this.#openCursors(plans);
    for (const [done, { slot, readers, sharedFrom, summaries }] of plans.entries()) {
      const cursors = readers.map((copy) => {
        const summary = summaries[copy];
        const cursor = this.#cursors[copy];
        if (!summary || !cursor) return null;
        cursor.openSlot(summary);
        return cursor;
      });
      for await (const page of diffLeaves(slot, cursors, { signal, stopEarly: () => this.#budgetRanOut() })) {
        const unproven = cursors.find((cursor) => cursor?.givesHeads)?.summary;
        const differences = page.map(({ key, leaves: read }): Difference => {
          const leaves = sharedFrom.map((reader) => read[reader] ?? null);
          const difference = unproven ? { key, leaves, slot, unproven } : { key, leaves, slot };
          placement.check(difference);
          return difference;
        });
        this.#differing += differences.length;
        yield differences;
      }
      if (this.#budgetSpent) return;
      onProgress?.({
        slotsDone: done + 1,
        slotsTotal: slots.length,
        differing: this.#differing,
        ...this.#read(),
      });
    }
    await Promise.all(this.#cursors.map((cursor) => cursor?.finish(signal)));
    // Every leaf that differs makes a slot's digest another; the reverse must hold too.
    assert(this.#differing > 0, 'slots of unlike digests have unlike leaves');
    this.#outcome = { outcome: 'differs' };
  }

  #openCursors(plans: readonly ReadingPlan[]): void {
    const { signal, heads = false } = this.#options;
    this.#cursors = this.#views.map(({ place, view }, copy) => {
      const asked = plans.filter(
        ({ readers, summaries }) => readers.includes(copy) && summaries[copy] !== null,
      );
      if (asked.length === 0) return null;
      const numbers = asked.map(({ slot }) => slot);
      const headSlots = new Set(heads ? asked.filter(isOnlyOf).map(({ slot }) => slot) : []);
      return new LeafCursor(place, view.leaves(numbers, signal, headSlots), headSlots);
    });
  }

  #read(): { leavesRead: number; bytes: number } {
    const read = { leavesRead: 0, bytes: 0 };
    for (const cursor of this.#cursors) {
      read.leavesRead += cursor?.leavesRead ?? 0;
      read.bytes += cursor?.bytesRead ?? 0;
    }
    return read;
  }

  #budgetRanOut(): boolean {
    const { budget, clock } = this.#options;
    if (budget === undefined) return false;
    const { leavesRead, bytes } = this.#read();
    const timeMs = clock.monotonicMs() - this.#startedMs;
    const spent = [
      { unit: 'leaves', limit: budget.leaves, used: leavesRead },
      { unit: 'bytes', limit: budget.bytes, used: bytes },
      { unit: 'ms', limit: budget.timeMs, used: timeMs },
    ].find(({ limit, used }) => limit !== undefined && used > limit);
    if (spent === undefined) return false;
    this.#budgetSpent = true;
    this.#outcome = { outcome: 'inconclusive', reason: `the budget of ${spent.limit} ${spent.unit} ran out` };
    return true;
  }
}

/** Who reads a differing slot: one copy of each group of copies that agree on it. */
interface ReadingPlan extends SlotDifference {
  /** Positions of copies, ascending. */
  readonly readers: readonly number[];
  /** Per copy: position in `readers` of the one that reads for it. */
  readonly sharedFrom: readonly number[];
}

/**
 * Whether one copy alone has anything of a slot. Where several agree on it, one that lies about its leaves would lie
 * about what the others have.
 */
function isOnlyOf({ summaries }: ReadingPlan): boolean {
  return summaries.filter((summary) => summary !== null).length === 1;
}

function readingPlan(difference: SlotDifference): ReadingPlan {
  const firstAlike = groupAlike(difference.summaries);
  const readers = [...new Set(firstAlike)];
  return { ...difference, readers, sharedFrom: firstAlike.map((first) => readers.indexOf(first)) };
}

/**
 * Compares the views, two or more. Throws `settings-differ` or `spelling-differs` at once where they are of
 * unlike trees; iterating throws `bad-message` where a copy breaks its promises, and what the copies throw.
 */
export function diffShard(views: readonly PlacedView[], options: DiffOptions): ShardDiff {
  return new ShardDiff(views, checkAlike(views), options);
}
