/** What a copy promised of its slots and leaves, broken one promise at a time. */
import { describe, expect, test } from 'vitest';
import { diffSlots } from '../../../src/diff/diff-slots.ts';
import { LeafCursor } from '../../../src/diff/leaf-cursor.ts';
import { entityBytesMax } from '../../../src/property/entity.ts';
import { DigestComposer } from '../../../src/property/tree-digest.ts';
import type { Leaf, LeafPage, ShardView, SlotSummary } from '../../../src/shard-copy/shard-copy.ts';

const digest = Buffer.alloc(64, 7);
const leaf = (key: string | Buffer, own = digest): Leaf => ({
  key: Buffer.from(key as string),
  digest: own,
  revision: 1n,
  deleteTime: 0n,
});

function summaryOf(slot: number, leaves: number): SlotSummary {
  const composer = new DigestComposer();
  for (let at = 0; at < leaves; at += 1) composer.update(digest);
  return { slot, digest: composer.finish(), leaves };
}

/** Pages as a copy sends them; counts how often it is told to stop. */
class Pages implements AsyncIterable<LeafPage> {
  readonly #pages: LeafPage[];
  stops = 0;

  constructor(...pages: LeafPage[]) {
    this.#pages = pages;
  }

  [Symbol.asyncIterator](): AsyncIterator<LeafPage> {
    return {
      next: async () => {
        const value = this.#pages.shift();
        return value === undefined ? { done: true, value } : { done: false, value };
      },
      return: async () => {
        this.stops += 1;
        return { done: true, value: undefined };
      },
    };
  }
}

/** Reads a slot of `leaves` to its end. */
async function readSlot(pages: Pages, slot: number, leaves: number): Promise<LeafCursor> {
  const cursor = new LeafCursor('peer:1', pages, { checkDigests: true, headSlots: new Set() });
  expect(cursor.needsPage).toBe(false);
  cursor.openSlot(summaryOf(slot, leaves));
  while (cursor.needsPage) {
    await cursor.loadPage();
    while (cursor.current !== undefined) cursor.advance();
  }
  return cursor;
}

describe('a cursor over leaves', () => {
  test('counts leaves and bytes, and stops a stream that has not ended exactly once', async () => {
    const pages = new Pages({ slot: 0, leaves: [leaf('a'), leaf('bc')] }, { slot: 3, leaves: [leaf('d')] });
    const cursor = await readSlot(pages, 0, 2);
    expect([cursor.leavesRead, cursor.bytesRead]).toEqual([2, 3 + 2 * 80]);
    cursor.close();
    cursor.close();
    expect(pages.stops).toBe(1);
  });

  test('does not stop a stream that has ended', async () => {
    const pages = new Pages({ slot: 0, leaves: [leaf('a')] });
    const cursor = await readSlot(pages, 0, 1);
    await cursor.finish();
    cursor.close();
    expect(pages.stops).toBe(0);
  });

  test('refuses what comes after the last slot, be it of that slot or of a later one', async () => {
    for (const slot of [0, 3]) {
      const cursor = await readSlot(new Pages({ slot: 0, leaves: [leaf('a')] }), 0, 1);
      await cursor.finish();
      const later = await readSlot(
        new Pages({ slot: 0, leaves: [leaf('a')] }, { slot: slot + 1, leaves: [leaf('b')] }),
        0,
        1,
      );
      await expect(later.finish()).rejects.toMatchObject({
        code: 'bad-message',
        details: { place: 'peer:1', slot: slot + 1 },
      });
    }
  });

  test('says where and what it refuses', async () => {
    const wrong = async (page: LeafPage, leaves = 2) =>
      (await readSlot(new Pages(page), 2, leaves).catch((error: unknown) => error)) as { details: object };
    expect((await wrong({ slot: 2, leaves: [leaf('b'), leaf('a')] })).details).toMatchObject({
      slot: 2,
      key: '61',
    });
    expect((await wrong({ slot: 1, leaves: [leaf('a')] })).details).toMatchObject({ slot: 2 });
    expect((await wrong({ slot: 2, leaves: [leaf('a')] })).details).toMatchObject({ slot: 2 });
    expect(
      (await wrong({ slot: 2, leaves: [leaf('a', Buffer.alloc(64, 1)), leaf('b')] })).details,
    ).toMatchObject({ slot: 2 });
    const short = leaf('a', digest.subarray(1));
    expect((await wrong({ slot: 2, leaves: [short] }, 1)).details).toMatchObject({ key: '61' });
  });

  test('takes the largest key', async () => {
    await readSlot(new Pages({ slot: 0, leaves: [leaf(Buffer.alloc(2 * entityBytesMax, 1))] }), 0, 1);
  });

  test.each<[string, LeafPage, number]>([
    ['an earlier slot', { slot: 1, leaves: [leaf('a')] }, 1],
    ['an empty page', { slot: 2, leaves: [] }, 0],
    ['a key twice', { slot: 2, leaves: [leaf('a'), leaf('a')] }, 2],
    ['a key that is too long', { slot: 2, leaves: [leaf(Buffer.alloc(2 * entityBytesMax + 1, 1))] }, 1],
    ['a digest that is too short', { slot: 2, leaves: [leaf('a', digest.subarray(1))] }, 1],
    ['the head of a digest', { slot: 2, leaves: [leaf('a', digest.subarray(0, 8))] }, 1],
  ])('refuses %s', async (_, page, leaves) => {
    await expect(readSlot(new Pages(page), 2, leaves)).rejects.toMatchObject({
      code: 'bad-message',
      details: { place: 'peer:1' },
    });
  });
});

describe('a slot list', () => {
  const compare = (...summaries: SlotSummary[]): Promise<unknown> => {
    const composer = new DigestComposer();
    for (const summary of summaries) composer.update(summary.digest);
    const leaves = summaries.reduce((sum, summary) => sum + summary.leaves, 0);
    const description = {
      root: composer.finish(),
      leaves,
      slotScheme: { hash: 'xxh64', seed: 0n, slots: 4 },
    };
    const view = {
      description,
      slots: async function* () {
        yield summaries;
      },
    };
    return diffSlots([{ place: 'peer:1', view: view as unknown as ShardView }]);
  };

  test('up to the last slot is taken', async () => {
    await expect(compare(summaryOf(0, 1), summaryOf(3, 2))).resolves.toMatchObject({ compared: 2 });
  });

  test.each([
    ['a slot twice', [summaryOf(1, 1), summaryOf(1, 1)]],
    ['a slot beyond the last', [summaryOf(4, 1)]],
  ])('with %s is refused', async (_, summaries) => {
    await expect(compare(...summaries)).rejects.toMatchObject({ code: 'bad-message' });
  });
});
