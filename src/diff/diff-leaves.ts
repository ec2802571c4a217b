/**
 * The heart of a comparison: merges the sorted leaf streams of one slot, N pages in, differences out. Memory
 * is one page a stream, whatever the slot's size. It knows nothing of trees, places or repair; the cursors
 * (leaf-cursor.ts) check each stream, diff-shard.ts says which streams and slots.
 */
import { compareBytes } from '../lib/bytes.ts';
import { yieldToEventLoop } from '../lib/event-loop.ts';
import type { Leaf, SlotSummary } from '../shard-copy/shard-copy.ts';
import type { LeafCursor } from './leaf-cursor.ts';

/** One entity whose versions are not the same at all copies. */
export interface Difference {
  /** Entity key within the group. */
  readonly key: Buffer;
  readonly slot: number;
  /** Per copy; null where it is absent. At least one is present. */
  readonly leaves: readonly (Leaf | null)[];
  /** Where its digest is a head: the slot as it was announced, which nothing has been held to yet. */
  readonly unproven?: SlotSummary;
}

/** Leaves merged between two turns of the event loop: a few ms. */
const leavesPerTurn = 2_048;

export interface MergeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Asked after each page; the merge ends where it says yes, however much of the slot is left. */
  readonly stopEarly?: () => boolean;
}

/**
 * Pages of the differences between streams that stand at the beginning of `slot`; `leaves` of a difference has one
 * place per cursor. A null cursor is a copy whose slot is empty.
 */
export async function* diffLeaves(
  slot: number,
  cursors: readonly (LeafCursor | null)[],
  { signal, stopEarly }: MergeOptions = {},
): AsyncGenerator<readonly Difference[]> {
  let found: Difference[] = [];
  for (let merged = 1; ; merged++) {
    const turn = merged % leavesPerTurn === 0;
    // Also before the end of a slot is found, so nothing is left behind there.
    const paging = cursors.some((cursor) => cursor?.needsPage);
    if ((turn || paging) && found.length > 0) {
      yield found;
      found = [];
    }
    if (turn) await yieldToEventLoop(signal);
    if (paging) {
      await Promise.all(cursors.map((cursor) => (cursor?.needsPage ? cursor.loadPage(signal) : undefined)));
      if (stopEarly?.()) return;
      // A page may have ended a slot, so look again.
      continue;
    }
    const least = leastLeaf(cursors);
    if (least === null) return;
    let alike = true;
    const leaves: (Leaf | null)[] = [];
    for (const cursor of cursors) {
      const leaf = cursor?.current;
      if (leaf === undefined || compareBytes(leaf.key, least.key) !== 0) {
        leaves.push(null);
        alike = false;
        continue;
      }
      leaves.push(leaf);
      alike &&= compareBytes(leaf.digest, least.digest) === 0;
      cursor?.advance();
    }
    if (!alike) found.push({ key: least.key, slot, leaves });
  }
}

function leastLeaf(cursors: readonly (LeafCursor | null)[]): Leaf | null {
  let least: Leaf | null = null;
  for (const cursor of cursors) {
    const leaf = cursor?.current;
    if (leaf !== undefined && (least === null || compareBytes(leaf.key, least.key) < 0)) least = leaf;
  }
  return least;
}
