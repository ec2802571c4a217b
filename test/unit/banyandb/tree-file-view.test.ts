/** Tree files of BanyanDB beyond the recorded ones: large slots, foreign groups, stale tails, older layouts, shard names. */
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SlotPlacement } from '../../../src/banyandb/slot-placement.ts';
import { openBanyandbTree } from '../../../src/banyandb/tree-file-view.ts';
import { xxh64 } from '../../../src/lib/xxhash.ts';
import {
  type MadeSlot,
  makeLineTreeFile,
  makeTreeFile,
  makeUnframedTreeFile,
  sha512Hex,
} from '../../support/banyandb-tree-bytes.ts';
import { readLeaves, readSlots } from '../../support/read-view.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallystick-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function write(name: string, bytes: Buffer): Promise<string> {
  const path = join(directory, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  return path;
}

/** Entities spread over slots as BanyanDB does; each name sorts before the next. */
function spread(slotCount: number, entities: readonly string[], seed = ''): MadeSlot[] {
  const bySlot = Map.groupBy(entities, (entity) => Number(xxh64(entity) % BigInt(slotCount)));
  return [...bySlot]
    .sort(([a], [b]) => a - b)
    .map(([slot, inSlot]) => ({
      slot,
      leaves: inSlot.map((entity) => ({ entity, digest: sha512Hex(`${seed}${entity}`) })),
    }));
}

function entities(count: number, group = 'g'): string[] {
  return Array.from({ length: count }, (_, index) => `${group}/n/${String(index).padStart(7, '0')}`);
}

describe('a tree whose slots are many pages long', () => {
  const slots = spread(2, entities(4_000));

  test('is read in pages that do not cross slots', async () => {
    const path = await write('large', makeTreeFile(slots));
    await using view = await openBanyandbTree(path, { shard: 0 });
    const pages: { slot: number; count: number }[] = [];
    for await (const { slot, leaves } of view.leaves([0, 1])) pages.push({ slot, count: leaves.length });
    expect(pages.length).toBeGreaterThan(8);
    expect(Math.max(...pages.map(({ count }) => count))).toBeLessThan(500);
    expect(pages.map(({ slot }) => slot)).toEqual(pages.map(({ slot }) => slot).sort());
    const expected = slots.flatMap(({ slot, leaves }) => leaves.map((leaf) => ({ slot, ...leaf })));
    expect(await readLeaves(view)).toEqual(expected);
    expect(view.description.leaves).toBe(4_000);
  });

  test('gives no leaf of a slot whose last leaf is wrong', async () => {
    const bytes = makeTreeFile(slots);
    const digestOfLast = bytes.indexOf(slots[1]!.leaves.at(-1)!.digest, 'latin1');
    bytes[digestOfLast] = bytes[digestOfLast] === 0x30 ? 0x31 : 0x30;
    const path = await write('large-damaged', bytes);
    await using view = await openBanyandbTree(path, { shard: 0 });
    expect(await readLeaves(view, [0])).toHaveLength(slots[0]!.leaves.length);
    const pages = view.leaves([1])[Symbol.asyncIterator]();
    await expect(pages.next()).rejects.toMatchObject({ code: 'damaged-file', details: { path } });
  });

  test('stops when cancelled', async () => {
    const path = await write('large-cancelled', makeTreeFile(slots));
    await using view = await openBanyandbTree(path, { shard: 0 });
    const controller = new AbortController();
    const pages = view.leaves([0, 1], controller.signal);
    await pages.next();
    controller.abort();
    await expect(pages.next()).rejects.toMatchObject({ code: 'cancelled' });
  });
});

test('more slots than a page holds are given in pages', async () => {
  const slots = spread(4_096, entities(6_000));
  const path = await write('many-slots', makeTreeFile(slots));
  await using view = await openBanyandbTree(path, { shard: 0 });
  expect((await readSlots(view)).map(({ slot }) => slot)).toEqual(slots.map(({ slot }) => slot));
  expect(await readLeaves(view)).toHaveLength(6_000);
});

test('the order within a slot is that of name and id, not of the joined entity', async () => {
  const inOrder = ['g/a/x', 'g/a-b/x'];
  const made = (list: readonly string[]) => makeTreeFile(spread(1, list));
  await using view = await openBanyandbTree(await write('order', made(inOrder)), { shard: 0 });
  expect((await readLeaves(view)).map(({ entity }) => entity)).toEqual(inOrder);
  const reversed = await write('disorder', made(inOrder.toReversed()));
  await expect(openBanyandbTree(reversed, { shard: 0 })).rejects.toThrow('out of order');
  const twice = await write('twice', made(['g/a/x', 'g/a/x']));
  await expect(openBanyandbTree(twice, { shard: 0 })).rejects.toThrow('out of order');
});

test.each<[string, MadeSlot[], string]>([
  ['two groups', spread(1, ['g/n/1', 'h/n/2']), 'two groups, "g" and "h"'],
  ['an entity without a name', spread(1, ['g-n-1']), 'GROUP/NAME/ID'],
  ['an entity in a wrong slot', [{ slot: 9, leaves: spread(1, entities(3))[0]!.leaves }], 'does not belong'],
  ['slots out of order', spread(8, entities(40)).toReversed(), 'the slot number'],
])('%s is damage', async (name, slots, message) => {
  const path = await write(name, makeTreeFile(slots));
  const opened = openBanyandbTree(path, { shard: 0 });
  await expect(opened).rejects.toMatchObject({ code: 'damaged-file', details: { path } });
  await expect(opened).rejects.toThrow(message);
});

test('the tail of an earlier, longer tree behind a newer one is damage, not an answer', async () => {
  const earlier = makeTreeFile(spread(8, entities(100), 'earlier'));
  const newer = makeTreeFile(spread(8, entities(60), 'newer'));
  const path = await write('stale-tail', Buffer.concat([newer, earlier.subarray(newer.length)]));
  await expect(openBanyandbTree(path, { shard: 0 })).rejects.toMatchObject({ code: 'damaged-file' });
});

test('a file that changes while it is open is damage', async () => {
  const path = await write('overwritten', makeTreeFile(spread(8, entities(2_000), 'earlier')));
  await using view = await openBanyandbTree(path, { shard: 0 });
  await writeFile(path, makeTreeFile(spread(8, entities(2_000), 'newer')));
  await expect(readLeaves(view)).rejects.toMatchObject({ code: 'damaged-file' });
});

describe('recognition', () => {
  test.each([
    ['lines', makeLineTreeFile(), 'ended by newlines'],
    ['unframed', makeUnframedTreeFile(), 'without framing'],
  ])('names the older layout of %s and refuses it', async (layout, bytes, words) => {
    const path = await write(`older-${layout}`, bytes);
    const opened = openBanyandbTree(path, { shard: 0 });
    await expect(opened).rejects.toMatchObject({ code: 'bad-argument', details: { path, layout } });
    await expect(opened).rejects.toThrow(words);
  });

  test.each([
    ['empty', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(4_096)],
    ['short', Buffer.from('tree')],
    ['text', Buffer.from('{"group":"g"}\n'.repeat(100))],
  ])('takes %s for no tree', async (name, bytes) => {
    const path = await write(`other-${name}`, bytes);
    await expect(openBanyandbTree(path, { shard: 0 })).rejects.toMatchObject({ code: 'damaged-file' });
  });

  test('says what is not there and what is no file', async () => {
    await expect(openBanyandbTree(join(directory, 'nowhere'), { shard: 0 })).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(openBanyandbTree(directory, { shard: 0 })).rejects.toMatchObject({ code: 'bad-argument' });
  });

  test('a longer file is no tree', async () => {
    const path = await write('longer', makeTreeFile(spread(8, entities(20))));
    await appendFile(path, 'x');
    await expect(openBanyandbTree(path, { shard: 0 })).rejects.toMatchObject({ code: 'damaged-file' });
  });
});

describe('the shard', () => {
  const bytes = makeTreeFile(spread(8, entities(20)));
  test.each([
    ['repairs/g/shard2/state-tree.data', 2],
    ['shard-1/repair/state-tree.data', 1],
    ['shard-1/shard7/x', 7],
  ])('of %s is %i', async (name, shard) => {
    await using view = await openBanyandbTree(await write(name, bytes));
    expect(view.description.shard).toBe(shard);
  });

  test('has to be named where no folder tells it', async () => {
    const path = await write('shards/state-tree.data', bytes);
    await expect(openBanyandbTree(path)).rejects.toMatchObject({ code: 'bad-argument' });
    await using view = await openBanyandbTree(path, { shard: 5 });
    expect(view.description.shard).toBe(5);
  });
});

describe('slot placement', () => {
  test('accepts what some slot count explains', () => {
    const placement = new SlotPlacement(20);
    for (const entity of entities(200)) {
      const hash = xxh64(entity);
      const slot = Number(hash % 32n);
      if (slot <= 20) expect(placement.accept(hash, slot)).toBe(true);
    }
    expect(placement.accept(64n, 1)).toBe(false);
    expect(placement.accept(33n, 1)).toBe(true);
  });

  test('accepts hashes that are the slots themselves', () => {
    const placement = new SlotPlacement(5);
    expect([placement.accept(3n, 3), placement.accept(5n, 5)]).toEqual([true, true]);
  });
});
