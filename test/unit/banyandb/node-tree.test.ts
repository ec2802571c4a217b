/** A walked tree in its temporary file: what comes out is what went in, and little of it is ever in memory. */
import { hash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { type NodeTree, NodeTreeBuilder } from '../../../src/banyandb/node-tree.ts';
import { keyBytesMax } from '../../../src/property/entity.ts';

const digestOf = (text: string): Buffer => hash('sha512', text, 'buffer');

const left = (): number =>
  readdirSync(tmpdir()).filter((name) => /^tallystick-[\da-f-]{36}$/.test(name)).length;

async function build(leaves: Iterable<readonly [slot: number, key: Buffer]>): Promise<NodeTree> {
  using builder = await NodeTreeBuilder.create();
  for (const [slot, key] of leaves) {
    if (builder.isFull) await builder.flush();
    builder.add(slot, key, digestOf(key.toString('latin1')));
  }
  return await builder.finish();
}

async function readAll(tree: NodeTree): Promise<[slot: number, key: string][]> {
  const found: [number, string][] = [];
  for (const { slot, leaves: count } of tree.slots) {
    let read = 0;
    for await (const page of tree.pages(slot)) {
      for (const { key, digest } of page.leaves) {
        expect(digest.equals(digestOf(key.toString('latin1')))).toBe(true);
        found.push([page.slot, key.toString('latin1')]);
      }
      read += page.leaves.length;
    }
    expect(read).toBe(count);
  }
  return found;
}

test('leaves of every length come back slot by slot', async () => {
  const leaves: [number, Buffer][] = [];
  for (let at = 0; at < 3_000; at++) {
    const length = at % 50 === 0 ? keyBytesMax : 1 + (at % 97);
    leaves.push([Math.floor(at / 700) * 3, Buffer.alloc(length, at)]);
  }
  const before = left();
  using tree = await build(leaves);
  expect(left()).toBe(before);
  expect(tree.slots.map(({ slot, leaves: count }) => [slot, count])).toEqual([
    [0, 700],
    [3, 700],
    [6, 700],
    [9, 700],
    [12, 200],
  ]);
  expect(await readAll(tree)).toEqual(leaves.map(([slot, key]) => [slot, key.toString('latin1')]));
  expect(await Array.fromAsync(tree.pages(1))).toEqual([]);
});

test('an empty tree has no slot and a root of zero length', async () => {
  using tree = await build([]);
  expect(tree).toMatchObject({ leaves: 0, slots: [] });
  expect(tree.root).toHaveLength(0);
});

test('the file is gone with its last user, not before', async () => {
  const tree = await build([[4, Buffer.from('k')]]);
  const shared = tree.share();
  tree[Symbol.dispose]();
  expect(await readAll(shared)).toEqual([[4, 'k']]);
  shared[Symbol.dispose]();
  await expect(readAll(shared)).rejects.toThrow('before it is disposed');
  expect(() => shared.share()).toThrow('before it is disposed');
});

test('memory does not grow with the leaves', async () => {
  function* leaves(): Generator<[number, Buffer]> {
    const digits = Buffer.alloc(180);
    for (let at = 0; at < 150_000; at++) {
      digits.writeUInt32BE(at, 0);
      yield [Math.floor(at / 5_000), digits];
    }
  }
  const before = process.memoryUsage().arrayBuffers;
  let peak = before;
  using builder = await NodeTreeBuilder.create();
  const digest = digestOf('one');
  for (const [slot, key] of leaves()) {
    if (builder.isFull) {
      await builder.flush();
      peak = Math.max(peak, process.memoryUsage().arrayBuffers);
    }
    builder.add(slot, key, digest);
  }
  using tree = await builder.finish();
  expect(builder.bytes).toBe(0);
  // 37 MB of leaves.
  expect(tree.leaves).toBe(150_000);
  expect(peak - before).toBeLessThan(8 * 1024 * 1024);
});
