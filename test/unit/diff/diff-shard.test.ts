import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { diffShard } from '../../../src/diff/diff-shard.ts';
import type { PlacedView } from '../../../src/diff/diff-slots.ts';
import type { LeafPage } from '../../../src/shard-copy/shard-copy.ts';
import { changed, changedPages, compare, many, viewOf } from '../../support/comparing.ts';
import { MemoryShardCopy, type MemoryShardCopyOptions } from '../../support/memory-shard-copy.ts';
import { seededRandom, testSeed } from '../../support/seeded-random.ts';
import { makeVersion } from '../../support/versions.ts';

describe('what differs', () => {
  test('agrees with a naive comparison of sets, for 2 to 5 copies', async () => {
    const seed = testSeed();
    console.log(`seed ${seed}`);
    const random = seededRandom(seed);
    for (let round = 0; round < 60; round++) {
      const settings = { slots: random.pick([1, 2, 32, 256]) };
      const copies = Array.from({ length: 2 + random.below(4) }, (_, at) => {
        return new MemoryShardCopy({ place: `copy${at}`, settings, pageLeaves: 1 + random.below(9) });
      });
      const entities = random.below(80);
      for (let at = 0; at < entities; at++) {
        for (const copy of random.chance(0.6) ? copies : random.subset(copies, 0)) {
          const revision = random.chance(0.9) ? 5n : 6n;
          copy.load([
            makeVersion({
              name: random.pick(['a', 'a-b']),
              id: `${at}`,
              revision,
              deleteTime: random.chance(0.9) ? 0n : 9n,
            }),
          ]);
        }
      }
      const keys = new Map(
        copies.flatMap((copy) => copy.versions).map(({ key }) => [key.toString('latin1'), key]),
      );
      const expected = [...keys.values()]
        .map((key) => ({ key, digests: copies.map((copy) => copy.get(key)?.digest.toString('hex') ?? null) }))
        .filter(({ digests }) => new Set(digests).size > 1);
      for (const copy of copies) copy.build();
      const views = await Promise.all(
        copies.map(async (copy) => ({ place: copy.place, view: await copy.openView() })),
      );
      const { found, result } = await compare(views);
      const simple = found.map(({ key, leaves }) => ({
        key,
        digests: leaves.map((leaf) => leaf?.digest.toString('hex') ?? null),
      }));
      const byKey = (a: { key: Buffer }, b: { key: Buffer }): number => Buffer.compare(a.key, b.key);
      expect(simple.sort(byKey)).toEqual(expected.sort(byKey));
      expect(result).toMatchObject({
        outcome: expected.length > 0 ? 'differs' : 'matched',
        differing: expected.length,
      });
    }
  });

  test('equal roots read no slot and no leaf', async () => {
    const a = await viewOf(many(50));
    const untouchable = changed(a, {
      slots: () => {
        throw new Error('slots were read');
      },
    });
    expect(await compare([untouchable, untouchable])).toEqual({
      found: [],
      result: { outcome: 'matched', slotsCompared: 0, leavesRead: 0, differing: 0, bytes: 0 },
    });
    expect((await compare([await viewOf([]), await viewOf([])])).result.outcome).toBe('matched');
  });

  test('reads the differing slots only, and one of several copies that agree on them', async () => {
    const copies = Array.from({ length: 4 }, (_, at) => new MemoryShardCopy({ place: `copy${at}` }));
    for (const copy of copies) copy.load(many(320));
    copies[2]?.load([makeVersion({ id: 'e7', revision: 11n })]);
    for (const copy of copies) copy.build();
    const views = await Promise.all(
      copies.map(async (copy) => ({ place: copy.place, view: await copy.openView() })),
    );
    const { found, result } = await compare(views);
    expect(found.map(({ leaves }) => leaves.map((leaf) => leaf?.revision))).toEqual([[10n, 10n, 11n, 10n]]);
    expect(result.slotsCompared).toBe(32);
    expect(copies[0]?.calls.leavesRead).toBe(copies[2]?.calls.leavesRead);
    expect(copies[0]?.calls.leavesRead).toBeLessThan(40);
    expect([copies[1]?.calls.leavesRead, copies[3]?.calls.leavesRead]).toEqual([0, 0]);
    expect(result.leavesRead).toBe((copies[0]?.calls.leavesRead ?? 0) * 2);
  });
});

describe('what is refused', () => {
  test('unlike settings and spellings, naming both places and values', async () => {
    const a = await viewOf(many(3), { place: 'A' });
    const unlike = async (options: MemoryShardCopyOptions) =>
      compare([a, await viewOf([], { place: 'B', ...options })]);
    await expect(unlike({ settings: { slots: 64 } })).rejects.toThrow(/32 slots at A but .*64 slots at B/);
    await expect(unlike({ settings: { shards: 2 } })).rejects.toThrow('shard count is 1 at A but 2 at B');
    await expect(unlike({ shard: 1 })).rejects.toThrow('shard is 0 at A but 1 at B');
    await expect(unlike({ group: 'h' })).rejects.toMatchObject({
      code: 'settings-differ',
      message: 'group is g at A but h at B',
    });
    await expect(unlike({ settings: { spelling: 'spaced' } })).rejects.toMatchObject({
      code: 'spelling-differs',
      message: 'spelling is compact at A but spaced at B',
    });
  });

  test('a slot scheme that is not told shows in the leaves', async () => {
    const known = await viewOf(many(100), { place: 'A' });
    const untold = await viewOf(many(100), { place: 'B', foreign: true, settings: { slots: 64 } });
    await expect(compare([known, untold])).rejects.toMatchObject({
      code: 'settings-differ',
      details: { place: 'B' },
    });
    const alike = await viewOf(many(90), { place: 'C', foreign: true });
    expect((await compare([known, alike])).found).toHaveLength(10);
    await expect(compare([untold, alike])).rejects.toMatchObject({ code: 'settings-differ' });
    const alikeToo = await viewOf(many(100, 50), { place: 'D', foreign: true });
    expect((await compare([alike, alikeToo])).found).toHaveLength(110);
  });

  test.each<[string, (placed: PlacedView) => PlacedView, RegExp]>([
    [
      'keys out of order',
      (b) => changedPages(b, (page) => [{ ...page, leaves: [...page.leaves].reverse() }]),
      /B sent key [0-9a-f]+ after/,
    ],
    [
      'a leaf left out',
      (b) =>
        changedPages(b, (page) =>
          page.leaves.length > 1 ? [{ ...page, leaves: page.leaves.slice(1) }] : [page],
        ),
      /B sent \d+ leaves of slot \d+ after announcing/,
    ],
    [
      'another digest',
      (b) =>
        changedPages(b, (page) => [
          { ...page, leaves: page.leaves.map((leaf) => ({ ...leaf, digest: Buffer.alloc(64) })) },
        ]),
      /do not compose to its digest/,
    ],
    [
      'a slot not asked for',
      (b) => changedPages(b, (page) => [{ ...page, slot: page.slot + 32 }]),
      /B sent 0 leaves of slot/,
    ],
    [
      'leaves after the last slot',
      (b) =>
        changed(b, {
          leaves: async function* (slots, signal) {
            let last: LeafPage | null = null;
            for await (const page of b.view.leaves(slots, signal)) {
              last = page;
              yield page;
            }
            yield { ...last!, slot: 1_000 };
          },
        }),
      /B sent leaves of slot 1000 that nobody asked for/,
    ],
    ['an empty page', (b) => changedPages(b, (page) => [{ ...page, leaves: [] }]), /B sent 0 leaves of slot/],
    [
      'another root',
      (b) => changed(b, { description: { ...b.view.description, root: Buffer.alloc(64, 1) } }),
      /slots of B do not compose/,
    ],
    [
      'another count',
      (b) => changed(b, { description: { ...b.view.description, leaves: 99 } }),
      /B announces 99 leaves/,
    ],
    [
      'slots out of order',
      (b) =>
        changed(b, {
          slots: async function* () {
            for await (const page of b.view.slots()) yield [...page].reverse();
          },
        }),
      /wrong slot list/,
    ],
  ])('%s is a bad message that names the place', async (_name, damage, message) => {
    const a = await viewOf(many(60), { place: 'A' });
    const b = damage(await viewOf(many(60, 30), { place: 'B', pageLeaves: 100 }));
    await expect(compare([a, b])).rejects.toMatchObject({
      code: 'bad-message',
      message: expect.stringMatching(message),
      details: { place: 'B' },
    });
  });

  test('leaves of another shard', async () => {
    const settings = { shards: 64 };
    const a = await viewOf([], { place: 'A', settings, shard: 3 });
    const b = await viewOf(many(40), { place: 'B', settings, shard: 3 });
    await expect(compare([a, b])).rejects.toMatchObject({
      code: 'bad-message',
      message: expect.stringContaining('it belongs to shard'),
    });
  });
});

describe('how it ends early', () => {
  test('a cancelled one does not begin, not even where roots are equal', async () => {
    const view = await viewOf(many(5));
    await expect(compare([view, view], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });

  test.each([
    [{ leaves: 20 }, 'the budget of 20 leaves ran out'],
    [{ bytes: 1000 }, 'the budget of 1000 bytes ran out'],
    [{ timeMs: -1 }, 'the budget of -1 ms ran out'],
  ])('a budget that ran out is inconclusive: %o', async (budget, reason) => {
    const views = [await viewOf(many(200)), await viewOf(many(200, 100))];
    const { result } = await compare(views, { budget });
    expect(result).toMatchObject({ outcome: 'inconclusive', reason });
    expect(result.leavesRead).toBeLessThan(60);
  });

  test('a budget of time is counted from the beginning', async () => {
    const clock = { ...systemClock, monotonicMs: () => 1e9 };
    const views = [await viewOf(many(20)), await viewOf(many(20, 10))];
    expect((await compare(views, { clock, budget: { timeMs: 0 } })).result.outcome).toBe('differs');
  });

  test('a budget that just suffices changes nothing', async () => {
    const views = [await viewOf(many(20)), await viewOf(many(20, 10))];
    const { leavesRead, bytes } = (await compare(views)).result;
    const just = await compare(views, { budget: { leaves: leavesRead, bytes } });
    expect(just.result.outcome).toBe('differs');
    expect((await compare(views, { budget: { leaves: 40, bytes: 1e6, timeMs: 1e6 } })).result).toMatchObject({
      outcome: 'differs',
      differing: 20,
    });
  });

  test('a reader that stops has an inconclusive comparison', async () => {
    const diff = diffShard([await viewOf(many(20)), await viewOf([])], { clock: systemClock });
    for await (const difference of diff) {
      expect(difference.leaves).toHaveLength(2);
      break;
    }
    expect(diff.result).toMatchObject({
      outcome: 'inconclusive',
      reason: 'the comparison was not completed',
    });
    expect(diff.result.differing).toBeGreaterThan(0);
    expect(diff.result.differing).toBeLessThan(20);
  });

  test('cancellation ends it although a copy hangs', async () => {
    const abort = new AbortController();
    const a = await viewOf(many(20), { place: 'A' });
    const hanging = changed(await viewOf(many(5)), {
      leaves: async function* () {
        queueMicrotask(() => abort.abort());
        await new Promise<never>(() => undefined);
        yield { slot: 0, leaves: [] };
      },
    });
    await expect(compare([a, hanging], { signal: abort.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
});
