/**
 * Merges the slot lists of N views of a shard: which slots are not the same everywhere. A slot list is small
 * (slotsMax entries), so the differing part of it is held in memory; leaves never are.
 */
import { compareBytes, toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { raceSignal } from '../lib/race-signal.ts';
import { DigestComposer } from '../property/tree-digest.ts';
import { slotsMax } from '../property/group-settings.ts';
import { digestBytes } from '../property/version.ts';
import type { ShardView, SlotSummary } from '../shard-copy/shard-copy.ts';

/** A view together with what the user calls the place it is at. */
export interface PlacedView {
  readonly place: string;
  readonly view: ShardView;
}

export interface SlotDifference {
  readonly slot: number;
  /** Per copy; null where the slot is empty. */
  readonly summaries: readonly (SlotSummary | null)[];
}

export interface SlotComparison {
  /** Ascending slot numbers. */
  readonly differing: readonly SlotDifference[];
  /** Slots that at least one copy has leaves in. */
  readonly compared: number;
}

/**
 * Reads all slot lists and checks each: ascending numbers within the slot count, digests of 64 bytes, and
 * that they compose to the announced root and leaf count. Throws `bad-message` naming the place otherwise.
 */
export async function diffSlots(views: readonly PlacedView[], signal?: AbortSignal): Promise<SlotComparison> {
  const lists = await Promise.all(views.map((placed) => readSlots(placed, signal)));
  const positions = lists.map(() => 0);
  const differing: SlotDifference[] = [];
  for (let compared = 0; ; compared++) {
    const heads = lists.map((list, copy) => list[positions[copy] ?? 0]);
    const slot = heads.reduce((least, head) => Math.min(least, head?.slot ?? Infinity), Infinity);
    if (slot === Infinity) return { differing, compared };
    const summaries = heads.map((head) => (head?.slot === slot ? head : null));
    for (const [copy, summary] of summaries.entries()) {
      if (summary !== null) positions[copy] = (positions[copy] ?? 0) + 1;
    }
    if (!allAlike(summaries)) differing.push({ slot, summaries });
  }
}

/** Groups copies whose slot digests agree: per copy the position of the first copy with the same summary. */
export function groupAlike(summaries: readonly (SlotSummary | null)[]): number[] {
  return summaries.map((summary) =>
    summaries.findIndex((other) =>
      summary === null || other === null
        ? summary === other
        : compareBytes(summary.digest, other.digest) === 0,
    ),
  );
}

function allAlike(summaries: readonly (SlotSummary | null)[]): boolean {
  return groupAlike(summaries).every((first) => first === 0);
}

async function readSlots({ place, view }: PlacedView, signal?: AbortSignal): Promise<SlotSummary[]> {
  const { description } = view;
  const list: SlotSummary[] = [];
  const root = new DigestComposer();
  const slots = description.slotScheme?.slots ?? slotsMax;
  let previous = -1;
  let leaves = 0;
  const pages = view.slots(signal)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await raceSignal(pages.next(), signal);
      if (next.done) break;
      for (const summary of next.value) {
        const { slot } = summary;
        if (!Number.isInteger(slot) || slot <= previous || slot >= slots) {
          throw badSlot(place, slot, `slot ${slot} after slot ${previous} of ${slots}`);
        }
        if (
          summary.digest.length !== digestBytes ||
          !Number.isSafeInteger(summary.leaves) ||
          summary.leaves < 1
        ) {
          throw badSlot(
            place,
            slot,
            `slot ${slot} announces ${summary.leaves} leaves and a digest of ${summary.digest.length} bytes`,
          );
        }
        previous = slot;
        leaves += summary.leaves;
        root.update(summary.digest);
        list.push(summary);
      }
    }
  } finally {
    // Not waited for: a source that hangs must not hold up a cancelled run.
    pages.return?.()?.catch(() => undefined);
  }
  checkRoot(place, view, { leaves, root: root.finish() });
  return list;
}

function checkRoot(place: string, view: ShardView, composed: { leaves: number; root: Buffer }): void {
  const { root, leaves } = view.description;
  if (compareBytes(root, composed.root) !== 0) {
    throw new CodedError('bad-message', `the slots of ${place} do not compose to its root`, {
      place,
      announced: toHex(root),
      composed: toHex(composed.root),
    });
  }
  if (leaves !== composed.leaves) {
    throw new CodedError('bad-message', `${place} announces ${leaves} leaves, its slots ${composed.leaves}`, {
      place,
      announced: leaves,
      composed: composed.leaves,
    });
  }
}

function badSlot(place: string, slot: number, what: string): CodedError {
  return new CodedError('bad-message', `${place} sent a wrong slot list: ${what}`, { place, slot });
}
