/** What a copy promised of its slots and leaves, broken one promise at a time. */
import { describe, expect, test } from 'vitest';
import { diffSlots, groupAlike } from '../../../src/diff/diff-slots.ts';
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
async function readSlot(
  pages: Pages,
  slot: number,
  leaves: number,
  headSlots: readonly number[] = [],
): Promise<LeafCursor> {
  const cursor = new LeafCursor('peer:1', pages, new Set(headSlots));
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

  test('takes heads of digests where they were allowed, of all leaves of a slot alike', async () => {
    const head = digest.subarray(0, 8);
    const read = (leaves: Leaf[], headSlots = [2]) =>
      readSlot(new Pages({ slot: 2, leaves }), 2, leaves.length, headSlots);
    const withHeads = await read([leaf('a', head), leaf('b', head)]);
    expect([withHeads.givesHeads, withHeads.summary]).toEqual([true, summaryOf(2, 2)]);
    // Whole digests may come all the same, and then have to make the slot's.
    expect((await read([leaf('a'), leaf('b')])).givesHeads).toBe(false);
    const refused: [Leaf[], number[]][] = [
      [[leaf('a', head)], [3]],
      [[leaf('a', head), leaf('b')], [2]],
      [[leaf('a'), leaf('b', head)], [2]],
      [[leaf('a', Buffer.alloc(64, 1)), leaf('b')], [2]],
      [[leaf('a', digest.subarray(0, 9))], [2]],
    ];
    for (const [leaves, headSlots] of refused) {
      await expect(read(leaves, headSlots)).rejects.toMatchObject({ code: 'bad-message' });
    }
  });

  test('that stands nowhere wants no page, and one of a source that cannot be stopped is closed', async () => {
    const pages = {
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true as const, value: null }) }),
    };
    const cursor = new LeafCursor('peer:1', pages, new Set());
    expect([cursor.current, cursor.needsPage, cursor.givesHeads, cursor.summary]).toEqual([
      undefined,
      false,
      false,
      null,
    ]);
    cursor.close();
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
    ['slots out of order', [summaryOf(2, 1), summaryOf(1, 1)]],
    ['a slot that is no whole number', [summaryOf(1.5, 1)]],
    ['a slot without leaves', [{ slot: 1, digest, leaves: 0 }, summaryOf(2, 1)]],
    ['leaves that are no whole number', [{ slot: 1, digest, leaves: 1.5 }]],
  ])('with %s is refused', async (_, summaries) => {
    await expect(compare(...summaries)).rejects.toMatchObject({
      code: 'bad-message',
      message: expect.stringContaining('wrong slot list'),
    });
  });

  test('with a digest of another length is refused, and read no further', async () => {
    let ended = false;
    const summary = { slot: 1, digest: digest.subarray(1), leaves: 1 };
    const view = {
      description: { root: digest, leaves: 1, slotScheme: null },
      slots: async function* () {
        try {
          yield [summary];
        } finally {
          ended = true;
        }
      },
    };
    await expect(diffSlots([{ place: 'peer:1', view: view as unknown as ShardView }])).rejects.toMatchObject({
      code: 'bad-message',
      details: { place: 'peer:1', slot: 1 },
    });
    expect(ended).toBe(true);
  });

  test('of a source that cannot be stopped is read all the same', async () => {
    const view = {
      description: { root: Buffer.alloc(0), leaves: 0, slotScheme: null },
      slots: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: null }) }) }),
    };
    await expect(diffSlots([{ place: 'peer:1', view: view as unknown as ShardView }])).resolves.toEqual({
      differing: [],
      compared: 0,
    });
  });

  test('groups copies that agree, those without the slot among them', () => {
    const other = { ...summaryOf(1, 1), digest: Buffer.alloc(64, 1) };
    expect(groupAlike([null, summaryOf(1, 1), null, other, summaryOf(1, 1)])).toEqual([0, 1, 0, 3, 1]);
  });
});
