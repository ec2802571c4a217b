/** A tree file as a view: what comes in pages is all of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { entityKey } from '../../../src/property/entity.ts';
import { TreeView } from '../../../src/shard-copy/tree-view.ts';
import { TreeReader } from '../../../src/tree/tree-reader.ts';
import { makeTree } from '../../support/made-tree.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallystick-'));
});
afterAll(() => rm(directory, { recursive: true }));

test('a slot list of several pages leaves no slot out and names none twice', async () => {
  // More than two pages, the last of them short.
  const slots = 2_500;
  const path = join(directory, 'wide.tree');
  const leaves = Array.from({ length: slots }, (_, placement) => ({
    placement,
    key: entityKey({ name: 'n', id: String(placement).padStart(4, '0') }),
    revision: 1n,
    deleteTime: 0n,
    digest: Buffer.alloc(64, placement),
  }));
  await makeTree(path, leaves, { slots: 4_096 });
  await using view = new TreeView(await TreeReader.open(path), false);
  const pages = await Array.fromAsync(view.slots());
  expect(pages.length).toBeGreaterThan(2);
  expect(pages.flat().map(({ slot }) => slot)).toEqual(Array.from({ length: slots }, (_, slot) => slot));
  const read = await Array.fromAsync(view.leaves([0, 1_023, 1_024, slots - 1]));
  expect(read.map(({ slot, leaves: page }) => [slot, page.length])).toEqual([
    [0, 1],
    [1_023, 1],
    [1_024, 1],
    [slots - 1, 1],
  ]);
});
