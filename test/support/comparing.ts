/** Views of made shards to compare, and what a comparison of them finds. */
import { systemClock } from '../../src/lib/clock.ts';
import { type DiffOptions, type DiffResult, diffShard } from '../../src/diff/diff-shard.ts';
import type { Difference } from '../../src/diff/diff-leaves.ts';
import type { PlacedView } from '../../src/diff/diff-slots.ts';
import type { LeafPage, ShardView, SlotSummary, StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { MemoryShardCopy, type MemoryShardCopyOptions } from './memory-shard-copy.ts';
import { makeVersion } from './versions.ts';

/** The whole comparison. */
export async function compare(
  views: PlacedView[],
  options: Partial<DiffOptions> = {},
): Promise<{ found: Difference[]; result: DiffResult }> {
  const diff = diffShard(views, { clock: systemClock, ...options });
  const found: Difference[] = [];
  for await (const difference of diff) found.push(difference);
  return { found, result: diff.result };
}

/** A copy that holds `versions`, as it is compared. */
export async function viewOf(
  versions: StoredVersion[],
  options: MemoryShardCopyOptions = {},
): Promise<PlacedView> {
  const copy = new MemoryShardCopy(options);
  copy.load(versions);
  copy.build();
  return { place: copy.place, view: await copy.openView() };
}

export function many(count: number, from = 0): StoredVersion[] {
  return Array.from({ length: count }, (_, at) => makeVersion({ id: `e${from + at}`, revision: 10n }));
}

/** The view with some of its answers changed. */
export function changed(placed: PlacedView, change: Partial<ShardView>): PlacedView {
  const { view } = placed;
  return {
    place: placed.place,
    view: {
      description: change.description ?? view.description,
      slots: change.slots ?? ((signal) => view.slots(signal)),
      leaves: change.leaves ?? ((...asked) => view.leaves(...asked)),
      [Symbol.asyncDispose]: async () => undefined,
    },
  };
}

/** All slots that hold anything. */
export async function readSlotList(view: ShardView): Promise<SlotSummary[]> {
  return (await Array.fromAsync(view.slots())).flat();
}

/** The view with its leaf pages passed through `change`. */
export function changedPages(placed: PlacedView, change: (page: LeafPage) => LeafPage[]): PlacedView {
  return changed(placed, {
    leaves: async function* (slots, signal) {
      for await (const page of placed.view.leaves(slots, signal)) yield* change(page);
    },
  });
}
