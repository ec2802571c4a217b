/** Which leaves a comparison asks for and in which form, and that it leaves room for other work. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { type DiffProgress, diffShard } from '../../../src/diff/diff-shard.ts';
import type { PlacedView } from '../../../src/diff/diff-slots.ts';
import type { Leaf } from '../../../src/shard-copy/shard-copy.ts';
import { changed, compare, many, readSlotList, viewOf } from '../../support/comparing.ts';

describe('heads of digests', () => {
  /** The view as a copy gives it that shortens every digest it may. */
  function withHeads(placed: PlacedView, asked: number[] = []): PlacedView {
    return changed(placed, {
      leaves: async function* (slots, signal, headSlots) {
        asked.push(...(headSlots ?? []));
        for await (const { slot, leaves } of placed.view.leaves(slots, signal)) {
          const digestOf = ({ digest }: Leaf) => (headSlots?.has(slot) ? digest.subarray(0, 8) : digest);
          yield { slot, leaves: leaves.map((leaf) => ({ ...leaf, digest: digestOf(leaf) })) };
        }
      },
    });
  }

  test('are asked for where one copy alone has a slot, and their leaves are unproven', async () => {
    const asked: number[] = [];
    const full = withHeads(await viewOf(many(60), { place: 'A' }), asked);
    const empty = await viewOf([], { place: 'B' });
    const { found, result } = await compare([empty, full, empty], { heads: true });
    expect(result).toMatchObject({ outcome: 'differs', differing: 60 });
    expect(asked).toEqual([...new Set(found.map(({ slot }) => slot))]);
    for (const { slot, leaves, unproven } of found) {
      expect(leaves.map((leaf) => leaf?.digest.length)).toEqual([undefined, 8, undefined]);
      expect(unproven?.slot).toBe(slot);
    }
    const whole = await compare([empty, full]);
    expect(whole.found.map(({ unproven, leaves }) => [unproven, leaves[1]?.digest.length])).toEqual(
      whole.found.map(() => [undefined, 64]),
    );
  });

  test('are not asked for where two copies have a slot, alike or not', async () => {
    for (const other of [many(60), many(30)]) {
      const asked: number[] = [];
      const views = [await viewOf(many(60)), await viewOf(other), await viewOf([])];
      const { found } = await compare(
        views.map((view) => withHeads(view, asked)),
        { heads: true },
      );
      const slotsOf = async ({ view }: PlacedView) => (await readSlotList(view)).map(({ slot }) => slot);
      const inOther = await slotsOf(views[1]!);
      expect(asked).toEqual((await slotsOf(views[0]!)).filter((slot) => !inOther.includes(slot)));
      expect(found.filter(({ unproven }) => unproven).every(({ slot }) => asked.includes(slot))).toBe(true);
    }
  });
});

describe('how it goes on', () => {
  test('progress is told after each slot, and ends with everything', async () => {
    const told: DiffProgress[] = [];
    const views = [await viewOf(many(40)), await viewOf([])];
    const { result } = await compare(views, { onProgress: (progress) => told.push(progress) });
    expect(told.map(({ slotsDone }) => slotsDone)).toEqual(told.map((_, at) => at + 1));
    expect(new Set(told.map(({ slotsTotal }) => slotsTotal))).toEqual(new Set([result.slotsCompared]));
    const { leavesRead, differing, bytes } = result;
    expect(told.at(-1)).toMatchObject({ slotsDone: result.slotsCompared, leavesRead, differing, bytes });
  });

  test('other work has its turns during a long slot, some thousands of leaves apart', async () => {
    const options = { settings: { slots: 1 }, pageLeaves: 20_000 };
    const views = [await viewOf(many(9_000), options), await viewOf(many(9_001), options)];
    let turns = 0;
    let comparing = true;
    const turn = (): void => {
      turns += 1;
      if (comparing) setImmediate(turn);
    };
    setImmediate(turn);
    await compare(views);
    comparing = false;
    expect(turns).toBeGreaterThanOrEqual(4);
    expect(turns).toBeLessThan(50);
  });

  test.each([
    [20_000, 9_000, 2_048],
    [100, 1_000, 100],
  ])('differences come in pages, of %i leaves read at a time', async (pageLeaves, leaves, most) => {
    const options = { settings: { slots: 1 }, pageLeaves };
    const views = [await viewOf(many(leaves), options), await viewOf([], options)];
    const sizes: number[] = [];
    for await (const page of diffShard(views, { clock: systemClock }).pages()) sizes.push(page.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(leaves);
    expect(Math.min(...sizes)).toBeGreaterThan(0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(most);
    expect(sizes.length).toBeLessThanOrEqual(leaves / most + 1);
  });

  test('every stream is closed, however it ends', async () => {
    const open = new Set<number>();
    const watched = (placed: PlacedView, copy: number): PlacedView =>
      changed(placed, {
        leaves: async function* (slots, signal) {
          open.add(copy);
          try {
            yield* placed.view.leaves(slots, signal);
          } finally {
            open.delete(copy);
          }
        },
      });
    const views = [watched(await viewOf(many(60)), 0), watched(await viewOf(many(60, 30)), 1)];
    for await (const _ of diffShard(views, { clock: systemClock })) break;
    await new Promise((resolve) => setImmediate(resolve));
    expect(open.size).toBe(0);
  });
});
