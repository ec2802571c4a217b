/**
 * A tree file with every truncation, every single bit flipped, and many bytes changed at random: opening it and
 * reading all of it is a `damaged-file` error, what was given before the fault was found is right, and no read
 * asks for much memory. Then the same with the checksums made right again, where an answer may be given, but
 * nothing else may happen.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { CodedError } from '../../src/lib/coded-error.ts';
import { damagedFile, FileReader } from '../../src/lib/file-reader.ts';
import { sourceDigest } from '../../src/property/digest.ts';
import { entityKey } from '../../src/property/entity.ts';
import {
  blockChecksum,
  blockHeadBytes,
  sectionEntryBytes,
  trailerBytes,
} from '../../src/tree/tree-format.ts';
import { TreeReader } from '../../src/tree/tree-reader.ts';
import { type MadeLeaf, makeTree } from '../support/made-tree.ts';
import { seededRandom, testSeed } from '../support/seeded-random.ts';

const memoryBytesMax = 16 * 1024 * 1024;

// With the greatest slot count blocks are smallest, so that a small file has slots of several blocks.
const slots = 65_536;
const leaves: MadeLeaf[] = Array.from({ length: 16 }, (_, index) => ({
  placement: [3, 700, 65_535][index % 3] as number,
  // One is so long that its length takes two bytes.
  key: entityKey({
    name: 'n',
    id: String(index)
      .padStart(2, '0')
      .padEnd(index === 7 ? 300 : 2, 'x'),
  }),
  revision: 1_700_000_000_000_000_000n + BigInt(index),
  deleteTime: index % 5 === 0 ? 1_700_000_000_000_000_100n : 0n,
  digest: sourceDigest(`leaf ${index}`, 0n),
}));

let directory = '';
let path = '';
let whole: Buffer = Buffer.alloc(0);
/** The digests of each slot, one after another in hex. */
let answer = new Map<number, string>();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallystick-'));
  path = join(directory, 'reference.tree');
  await makeTree(path, leaves, { slots });
  whole = await readFile(path);
  const read = await readAll(path);
  if (read.error !== null) throw read.error;
  answer = read.digests;
});
afterAll(() => rm(directory, { recursive: true }));
afterEach(() => void vi.restoreAllMocks());

interface Outcome {
  readonly error: CodedError | null;
  readonly digests: Map<number, string>;
}

/** Opens the tree and reads every slot and leaf of it, going on with the next slot where one is damaged. */
async function readAll(file: string): Promise<Outcome> {
  const digests = new Map<number, string>();
  let first: CodedError | null = null;
  const note = (error: unknown) => {
    if (!(error instanceof CodedError)) throw error;
    first ??= error;
  };
  try {
    await using reader = await TreeReader.open(file);
    for (const record of await reader.slots()) {
      let text = '';
      try {
        for await (const page of reader.leavesOf(record)) {
          for (const leaf of page) text += leaf.digest.toString('hex');
        }
      } catch (error) {
        note(error);
      }
      digests.set(record.slot, text);
    }
  } catch (error) {
    note(error);
  }
  return { error: first, digests };
}

/** Reads a variant from memory: a file for each of twenty thousand would take most of the time. */
async function readVariant(bytes: Buffer): Promise<Outcome> {
  const file = {
    path,
    size: bytes.length,
    read: async (offset: number, length: number): Promise<Buffer> => {
      if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length))
        throw damagedFile(path, offset, 'short');
      expect(length).toBeLessThanOrEqual(memoryBytesMax);
      return Buffer.from(bytes.subarray(offset, offset + length));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  vi.spyOn(FileReader, 'open').mockResolvedValue(file as unknown as FileReader);
  return await readAll(path);
}

function expectDamage(outcome: Outcome, what: string): void {
  if (outcome.error?.code !== 'damaged-file') expect.fail(`${what}: ${outcome.error ?? 'an answer'}`);
  for (const [slot, text] of outcome.digests) {
    if (answer.get(slot)?.startsWith(text) !== true) expect.fail(`${what}: a wrong leaf of slot ${slot}`);
  }
}

describe('a tree file', () => {
  test('is small, and has slots of several blocks', async () => {
    expect([...answer.keys()]).toEqual([3, 700, 65_535]);
    expect([...answer.values()].join('').length).toBe(16 * 128);
    expect(whole.length).toBeLessThan(3_300);
    const reader = await TreeReader.open(path);
    const [record] = await reader.slots();
    let pages = 0;
    for await (const page of reader.leavesOf(record!)) pages += Math.sign(page.length);
    expect(pages).toBeGreaterThan(1);
    await reader[Symbol.asyncDispose]();
  });

  test('cut anywhere is damaged', async () => {
    const cut = join(directory, 'cut.tree');
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(cut, whole.subarray(0, length));
      expectDamage(await readAll(cut), `cut to ${length} bytes`);
    }
  });

  test('with anything behind it is damaged', async () => {
    for (const more of [Buffer.alloc(1), Buffer.alloc(24), whole.subarray(-24), whole]) {
      expectDamage(await readVariant(Buffer.concat([whole, more])), `${more.length} more bytes`);
    }
  });

  test('with any bit flipped is damaged', async () => {
    const bytes = Buffer.from(whole);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const byte = bit >> 3;
      const flipped = (whole[byte] as number) ^ (1 << (bit & 7));
      bytes[byte] = flipped;
      expectDamage(await readVariant(bytes), `bit ${bit & 7} of byte ${byte}`);
      bytes[byte] = whole[byte] as number;
    }
  });

  test('with bytes changed at random is damaged', async () => {
    const seed = testSeed();
    const random = seededRandom(seed);
    for (let round = 0; round < 4_000; round += 1) {
      const bytes = mutate(whole, random);
      if (!bytes.equals(whole)) expectDamage(await readVariant(bytes), `seed ${seed}, round ${round}`);
    }
  });

  test('with right checksums over changed bytes gives an answer or a coded error, in bounded memory', async () => {
    const seed = testSeed();
    const random = seededRandom(seed);
    let answers = 0;
    for (let round = 0; round < 8_000; round += 1) {
      const bytes = forge(mutate(whole, random, whole.length - trailerBytes));
      const { error } = await readVariant(bytes).catch((thrown: unknown) => {
        throw new Error(`seed ${seed}, round ${round}`, { cause: thrown });
      });
      if (error === null) answers += 1;
      else if (!['damaged-file', 'newer-format'].includes(error.code)) {
        throw new Error(`seed ${seed}, round ${round}`, { cause: error });
      }
    }
    // Keys, revisions, delete times may change: that much must get through for the test to mean anything.
    expect(answers).toBeGreaterThan(100);
  });
});

function mutate(from: Buffer, random: ReturnType<typeof seededRandom>, end = from.length): Buffer {
  const bytes = Buffer.from(from);
  const places = 1 + random.below(4);
  for (let place = 0; place < places; place += 1) {
    const offset = random.below(end);
    const length = Math.min(1 + random.below(8), end - offset);
    for (let index = 0; index < length; index += 1) {
      bytes[offset + index] = random.pick([0, 0xff, random.below(256), bytes[offset + index] as number]);
    }
  }
  return bytes;
}

/** Makes all checksums of a file right that has the reference's sections. */
function forge(bytes: Buffer): Buffer {
  const footer = whole.length - trailerBytes - 4 * sectionEntryBytes;
  for (let entry = footer; entry < whole.length - trailerBytes; entry += sectionEntryBytes) {
    const offset = Number(whole.readBigUInt64LE(entry + 4));
    const end = offset + Number(whole.readBigUInt64LE(entry + 12));
    if (whole.readUInt32LE(entry) !== 2) bytes.writeUInt32LE(crc32(bytes.subarray(offset, end)), entry + 20);
    else forgeBlocks(bytes, offset, end);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(footer, whole.length - 12)), whole.length - 12);
  return bytes;
}

function forgeBlocks(bytes: Buffer, start: number, end: number): void {
  for (let offset = start; offset < end; ) {
    const blockEnd = offset + blockHeadBytes + whole.readUInt32LE(offset + 4);
    bytes.writeUInt32LE(blockChecksum(bytes.subarray(offset, blockEnd)), offset + 12);
    offset = blockEnd;
  }
}
