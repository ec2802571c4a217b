/** What slot files give back is what was added: blocks of the right form, each slot's leaves in order. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sourceDigest } from '../../../src/property/digest.ts';
import { SlotFiles } from '../../../src/tree/slot-files.ts';
import {
  blockChecksum,
  blockHeadBytes,
  blockPayloadBytesMax,
  decodeBlockHead,
  leafOverheadBytes,
} from '../../../src/tree/tree-format.ts';
import { type MadeLeaf, packLeaf } from '../../support/made-tree.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallystick-'));
});
afterEach(() => rm(directory, { recursive: true }));

const digest = sourceDigest('', 0n);

function leaf(placement: number, key: Buffer | string): MadeLeaf {
  return { placement, key: Buffer.from(key), revision: 1n, deleteTime: 0n, digest };
}

/** A leaf of as many bytes in its block. */
function leafOfBytes(placement: number, bytes: number, first: number): MadeLeaf {
  const key = Buffer.alloc(bytes - leafOverheadBytes, 0x61);
  key.writeUInt32BE(first, 0);
  return leaf(placement, key);
}

interface ReadBlock {
  readonly payloadBytes: number;
  readonly keys: Buffer[];
}

/** The blocks of a slot, their heads checked. */
function readBlocks(files: SlotFiles, slot: number): ReadBlock[] {
  const chunks = Array.from(files.blocksOf(slot), (chunk) => Buffer.from(chunk));
  for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(1024 * 1024);
  const bytes = Buffer.concat(chunks);
  const blocks: ReadBlock[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const head = decodeBlockHead(bytes, offset);
    const block = bytes.subarray(offset, offset + blockHeadBytes + head.payloadBytes);
    expect(head.slot).toBe(slot);
    expect(blockChecksum(block)).toBe(head.checksum);
    expect(head.payloadBytes).toBeLessThanOrEqual(blockPayloadBytesMax);
    const keys: Buffer[] = [];
    for (let position = blockHeadBytes; position < block.length; ) {
      const end = position + 2 + block.readUInt16BE(position);
      keys.push(block.subarray(position + 2, end));
      position = end - 2 + leafOverheadBytes;
    }
    expect(keys.length).toBe(head.leaves);
    blocks.push({ payloadBytes: head.payloadBytes, keys });
    offset += block.length;
  }
  return blocks;
}

describe('slot files', () => {
  test.each([1, 32, 256, 1_024, 65_536])('keep the order of each of %i slots', async (slots) => {
    const files = new SlotFiles(directory, slots);
    const leaves = Array.from({ length: 6_000 }, (_, index) =>
      leaf((index * 40_503) & 0xffff, String(index).padStart(5, '0')),
    );
    for (let first = 0; first < leaves.length; first += 512) {
      const page = leaves.slice(first, first + 512);
      expect(files.add(Buffer.concat(page.map(packLeaf)))).toBe(page.length);
    }
    const wanted = new Map<number, string[]>();
    for (const { placement, key } of leaves) {
      const slot = placement % slots;
      wanted.set(slot, [...(wanted.get(slot) ?? []), key.toString()]);
    }
    for (let slot = 0; slot < slots; slot += 1) {
      const keys = wanted.get(slot) ?? [];
      expect(files.leavesOf(slot)).toBe(keys.length);
      if (keys.length === 0) continue;
      expect(readBlocks(files, slot).flatMap((block) => block.keys.map(String))).toEqual(keys);
    }
    files.close();
    expect((await readdir(directory)).length).toBeLessThanOrEqual(256);
  });

  test('fill a block to its last byte and begin the next one after it', () => {
    const files = new SlotFiles(directory, 1);
    const half = blockPayloadBytesMax / 2;
    const sizes = [half, half, half, half - 1, 100, half];
    files.add(Buffer.concat(sizes.map((bytes, index) => packLeaf(leafOfBytes(0, bytes, index)))));
    const blocks = readBlocks(files, 0);
    expect(blocks.map(({ payloadBytes, keys }) => [payloadBytes, keys.length])).toEqual([
      [2 * half, 2],
      [2 * half - 1, 2],
      [half + 100, 2],
    ]);
    files.close();
  });

  test('give a leaf larger than a small block one of its own, in its place', () => {
    const files = new SlotFiles(directory, 65_536);
    const sizes = [100, 16_384, 100, 100, 512, 513, 8_192, 300];
    files.add(Buffer.concat(sizes.map((bytes, index) => packLeaf(leafOfBytes(77, bytes, index)))));
    // A neighbour in the same file must not get between them.
    files.add(packLeaf(leafOfBytes(78, 600, 0)));
    files.add(packLeaf(leafOfBytes(77, 700, 8)));
    const blocks = readBlocks(files, 77);
    expect(blocks.flatMap(({ keys }) => keys.map((key) => key.readUInt32BE(0)))).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8,
    ]);
    expect(blocks.map(({ payloadBytes }) => payloadBytes)).toEqual([
      100, 16_384, 200, 512, 513, 8_192, 300, 700,
    ]);
    expect(readBlocks(files, 78).length).toBe(1);
    expect(readBlocks(files, 76)).toEqual([]);
    files.close();
  });

  test('give a slot of many megabytes in chunks', () => {
    const files = new SlotFiles(directory, 2);
    const page = Buffer.concat(
      Array.from({ length: 500 }, (_, index) => packLeaf(leafOfBytes(1, 8_000, index))),
    );
    files.add(page);
    files.add(Buffer.concat(Array.from({ length: 3 }, () => packLeaf(leafOfBytes(0, 100, 0)))));
    const chunks = Array.from(files.blocksOf(0), (chunk) => chunk.length);
    expect(chunks).toEqual([blockHeadBytes + 300]);
    expect(readBlocks(files, 1).flatMap(({ keys }) => keys.map((key) => key.readUInt32BE(0)))).toEqual(
      Array.from({ length: 500 }, (_, index) => index),
    );
    files.close();
  });
});
