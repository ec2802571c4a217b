/** Reading a tree file: pages, order, counts, sections of later versions, and promises that a reader checks. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ErrorCode } from '../../../src/lib/coded-error.ts';
import { FileReader } from '../../../src/lib/file-reader.ts';
import { sourceDigest } from '../../../src/property/digest.ts';
import {
  blockChecksum,
  blockHeadBytes,
  decodeFooter,
  encodeFooter,
  type SectionEntry,
  sectionEntryBytes,
  sectionType,
  trailerBytes,
} from '../../../src/tree/tree-format.ts';
import { TreeReader } from '../../../src/tree/tree-reader.ts';
import { type MadeLeaf, madeHeader, makeTree } from '../../support/made-tree.ts';
import { readTree } from '../../support/naive-tree.ts';

let directory = '';
let path = '';
let whole: Buffer = Buffer.alloc(0);
let entries: SectionEntry[] = [];

const leaves: MadeLeaf[] = Array.from({ length: 3_000 }, (_, index) => ({
  placement: index % 3 === 0 ? 2 : 0,
  key: Buffer.from(`n\0${String(index).padStart(4, '0')}`),
  revision: BigInt(index) - 5n,
  deleteTime: index % 7 === 0 ? 9n : 0n,
  digest: sourceDigest(String(index), 0n),
}));

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallystick-'));
  path = join(directory, 'whole.tree');
  await makeTree(path, leaves);
  whole = await readFile(path);
  const footer = whole.length - 4 * sectionEntryBytes - trailerBytes;
  entries = decodeFooter(whole.subarray(footer), { path, offset: footer });
});
afterAll(() => rm(directory, { recursive: true }));

describe('a tree reader', () => {
  test('gives header, root and counts when it is opened', async () => {
    await using reader = await TreeReader.open(path);
    expect(reader.header).toEqual(madeHeader);
    expect(reader.root).toMatchObject({ leaves: 3_000, liveLeaves: 2_571, slots: 2 });
  });

  test('gives slots in order and leaves in pages, whole and sorted', async () => {
    await using reader = await TreeReader.open(path);
    const records = await reader.slots();
    expect(records.map(({ slot, leaves: count }) => [slot, count])).toEqual([
      [0, 2_000],
      [2, 1_000],
    ]);
    for (const record of records) {
      const pages: number[] = [];
      const got: unknown[] = [];
      for await (const page of reader.leavesOf(record)) {
        pages.push(page.length);
        got.push(...page);
      }
      expect(pages.length).toBeGreaterThan(1);
      const wanted = leaves.filter(({ placement }) => placement === record.slot);
      expect(got).toEqual(wanted.map(({ placement: _, ...leaf }) => leaf));
    }
  });

  test('reads slots in any order, one while another is half read', async () => {
    await using reader = await TreeReader.open(path);
    const [first, second] = await reader.slots();
    const half = reader.leavesOf(first!);
    const begun = (await half.next()).value?.length ?? 0;
    let others = 0;
    for await (const page of reader.leavesOf(second!)) others += page.length;
    let rest = 0;
    for await (const page of half) rest += page.length;
    expect([begun + rest, others]).toEqual([2_000, 1_000]);
  });

  test('stops where its signal is aborted', async () => {
    await using reader = await TreeReader.open(path);
    const [record] = await reader.slots();
    const controller = new AbortController();
    const pages = reader.leavesOf(record!, controller.signal);
    await pages.next();
    controller.abort();
    await expect(pages.next()).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('reads small blocks many at a time', async () => {
    const small = join(directory, 'small.tree');
    await makeTree(small, leaves, { slots: 65_536 });
    await using reader = await TreeReader.open(small);
    const [record] = await reader.slots();
    const read = vi.spyOn(FileReader.prototype, 'read');
    let pages = 0;
    for await (const page of reader.leavesOf(record!)) pages += Math.sign(page.length);
    const bytes = read.mock.calls.reduce((sum, [, length]) => sum + length, 0);
    read.mockRestore();
    expect(pages).toBeGreaterThan(300);
    expect(bytes).toBeLessThan(record!.bytes * 1.1);
  });

  test('reads an empty tree', async () => {
    const empty = join(directory, 'empty.tree');
    await makeTree(empty, []);
    await using reader = await TreeReader.open(empty);
    expect(reader.root.root.length).toBe(0);
    expect(await readTree(reader)).toEqual({ root: '', slots: [] });
  });

  test('reads the largest key there is', async () => {
    const large = join(directory, 'large.tree');
    const key = Buffer.alloc(16 * 1024, 0x61);
    await makeTree(large, [{ ...leaves[0]!, key }], { slots: 65_536 });
    await using reader = await TreeReader.open(large);
    const tree = await readTree(reader);
    expect(tree.slots[0]?.leaves[0]?.key).toBe(key.toString('hex'));
  });
});

interface Change {
  readonly header?: (json: Record<string, unknown>) => unknown;
  readonly head?: (bytes: Buffer) => void;
  readonly slots?: (bytes: Buffer) => void;
  readonly more?: readonly { type: number; bytes: Buffer }[];
}

/** The reference file with sections changed and all checksums right. */
async function changed(change: Change): Promise<string> {
  const section = (type: number) => {
    const entry = entries.find((found) => found.type === type)!;
    return { type, bytes: Buffer.from(whole.subarray(entry.offset, entry.offset + entry.bytes)) };
  };
  let header = section(sectionType.header).bytes;
  if (change.header !== undefined) {
    const json = Buffer.from(JSON.stringify(change.header(JSON.parse(header.toString('utf8', 16)))));
    header = Buffer.concat([header.subarray(0, 16), json]);
    header.writeUInt32LE(json.length, 12);
  }
  change.head?.(header);
  const moved = header.length - entries[0]!.bytes;
  const slots = section(sectionType.slots).bytes;
  for (let record = 0; record < slots.length; record += 100) {
    slots.writeBigUInt64LE(slots.readBigUInt64LE(record + 12) + BigInt(moved), record + 12);
  }
  change.slots?.(slots);
  const sections = [
    { type: sectionType.header, bytes: header },
    section(sectionType.leaves),
    { type: sectionType.slots, bytes: slots },
    section(sectionType.root),
    ...(change.more ?? []),
  ];
  let offset = 0;
  const placed = sections.map(({ type, bytes }) => {
    const entry = {
      type,
      offset,
      bytes: bytes.length,
      checksum: type === sectionType.leaves ? 0 : crc32(bytes),
    };
    offset += bytes.length;
    return entry;
  });
  const file = join(directory, 'changed.tree');
  await writeFile(file, Buffer.concat([...sections.map(({ bytes }) => bytes), encodeFooter(placed)]));
  return file;
}

async function readWhole(file: string): Promise<string> {
  await using reader = await TreeReader.open(file);
  return (await readTree(reader)).root;
}

describe('a later program may', () => {
  test('add sections and header members, which are skipped', async () => {
    const file = await changed({
      header: (json) => ({ later: [1], ...json }),
      more: [
        { type: 5, bytes: Buffer.alloc(10) },
        { type: 4_000_000_000, bytes: Buffer.alloc(0) },
      ],
    });
    expect(await readWhole(file)).toBe(await readWhole(path));
  });

  test.each<[string, Change]>([
    ['another format version', { head: (bytes) => bytes.writeUInt32LE(2, 8) }],
    ['another hash', { header: (json) => ({ ...json, slotScheme: { hash: 'sha1', seed: '0', slots: 4 } }) }],
    ['another seed', { header: (json) => ({ ...json, slotScheme: { hash: 'xxh64', seed: '1', slots: 4 } }) }],
    ['leaves in another generation', { slots: (bytes) => bytes.writeBigUInt64LE(6n, 28) }],
  ])('use %s, which is named as newer', async (_, change) => {
    await expect(readWhole(await changed(change))).rejects.toMatchObject({
      code: 'newer-format' satisfies ErrorCode,
    });
  });
});

describe('with right checksums, damage is', () => {
  const damages: [string, Change][] = [
    ['a header that is null', { header: () => null }],
    ['no slot scheme', { header: (json) => ({ ...json, slotScheme: 32 }) }],
    ['format version 0', { head: (bytes) => bytes.writeUInt32LE(0, 8) }],
    [
      'a slot count that is no power of two',
      { header: (json) => ({ ...json, slotScheme: { hash: 'xxh64', seed: '0', slots: 5 } }) },
    ],
    [
      'a slot count below a slot',
      { header: (json) => ({ ...json, slotScheme: { hash: 'xxh64', seed: '0', slots: 2 } }) },
    ],
    ['no shards', { header: (json) => ({ ...json, shards: 0 }) }],
    ['a shard that is no number', { header: (json) => ({ ...json, shard: 'x' }) }],
    ['no generation', { header: ({ generation: _, ...json }) => json }],
    ['a generation beyond 64 bits', { header: (json) => ({ ...json, generation: '18446744073709551616' }) }],
    ['no watermark', { header: (json) => ({ ...json, watermark: null }) }],
    [
      'a sequence that is no number',
      { header: (json) => ({ ...json, watermark: { sequence: '1x', token: '' } }) },
    ],
    ['an unknown spelling', { header: (json) => ({ ...json, spelling: 'loud' }) }],
    ['a section twice', { more: [{ type: sectionType.root, bytes: Buffer.alloc(85) }] }],
    ['slots out of order', { slots: (bytes) => bytes.writeUInt32LE(3, 0) }],
    ['a slot without leaves', { slots: (bytes) => bytes.writeBigUInt64LE(0n, 4) }],
    ['a leaf count that is another', { slots: (bytes) => bytes.writeBigUInt64LE(1_999n, 4) }],
    ['leaves moved to another slot', { slots: moveLeaf }],
    ['a slot digest that is another', { slots: (bytes) => bytes.writeUInt8(0, 36) }],
    ['a slot ending within a block', { slots: (bytes) => shiftBytes(bytes, -blockHeadBytes) }],
  ];
  test.each(damages)('%s', async (_, change) => {
    await expect(readWhole(await changed(change))).rejects.toMatchObject({ code: 'damaged-file' });
  });
});

test('a leaf with another digest under a right checksum does not make its slot', async () => {
  const bytes = Buffer.from(whole);
  const offset = entries.find(({ type }) => type === sectionType.leaves)?.offset ?? -1;
  const end = offset + blockHeadBytes + bytes.readUInt32LE(offset + 4);
  bytes.writeUInt8(bytes.readUInt8(end - 1) ^ 1, end - 1);
  bytes.writeUInt32LE(blockChecksum(bytes.subarray(offset, end)), offset + 12);
  const forged = join(directory, 'forged.tree');
  await writeFile(forged, bytes);
  await expect(readWhole(forged)).rejects.toThrow('do not make its digest');
});

test('a slot record without bytes is damage of its own, before any leaf is asked for', async () => {
  await using reader = await TreeReader.open(await changed({ slots: takeBytes }));
  await expect(reader.slots()).rejects.toMatchObject({ code: 'damaged-file' });
});

function moveLeaf(bytes: Buffer): void {
  bytes.writeBigUInt64LE(1_999n, 4);
  bytes.writeBigUInt64LE(1_001n, 104);
}

// The first slot keeps its leaves, count and digest, and loses all its bytes to the second.
function takeBytes(bytes: Buffer): void {
  shiftBytes(bytes, -Number(bytes.readBigUInt64LE(20)));
}

function shiftBytes(bytes: Buffer, by: number): void {
  const add = (at: number, change: number) =>
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at) + BigInt(change), at);
  add(20, by);
  add(112, by);
  add(120, -by);
}
