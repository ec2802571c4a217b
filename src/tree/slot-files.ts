/**
 * Spreads the sorted leaf stream over slots: each slot's leaves are collected into blocks, and full blocks
 * are appended to slot files, so memory stays bounded whatever the size. Up to 256 slots have a file each;
 * beyond that neighbouring slots share one, and the extents of each slot are remembered. Blocks have their
 * final form already: composing a tree copies them. Nothing here is fsynced; a crash throws it all away.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../lib/assert.ts';
import { CodedError } from '../lib/coded-error.ts';
import { packedLeafHeadBytes } from '../property-index/snapshot.ts';
import { packedVersionBytes } from '../property/version.ts';
import { blockHeadBytes, blockPayloadBytesMax, encodeBlockHead } from './tree-format.ts';

/** Open descriptors of one build. */
const filesMax = 256;

/** Memory for blocks being filled, over all slots. */
const blockMemoryBytes = 32 * 1024 * 1024;

/** Smallest block buffer: with 65,536 slots the memory above gives each slot this much. */
const blockBytesMin = 512;

/** Bytes of one read when extents are copied. */
const copyBytes = 1024 * 1024;

export class SlotFiles {
  readonly #directory: string;
  readonly #slotMask: number;
  readonly #fileShift: number;
  readonly #blockCapacity: number;
  /** One piece of memory for the blocks of all slots: 65,536 of their own would cost as much again in bookkeeping. */
  readonly #memory: Buffer;
  readonly #used: Int32Array;
  readonly #blockLeaves: Int32Array;
  readonly #leaves: Float64Array;
  readonly #files: (number | undefined)[] = [];
  readonly #fileBytes: number[] = [];
  readonly #chunk = Buffer.allocUnsafe(copyBytes);
  /** Per slot: offset and length of each extent in its file. */
  readonly #extents: (number[] | undefined)[] = [];

  /** `slots` is a power of two; files are made in `directory`, which must exist. */
  constructor(directory: string, slots: number) {
    this.#directory = directory;
    this.#slotMask = slots - 1;
    this.#fileShift = Math.max(0, Math.log2(slots / filesMax));
    this.#blockCapacity =
      Math.max(blockBytesMin, Math.min(blockMemoryBytes / slots, blockPayloadBytesMax)) + blockHeadBytes;
    this.#memory = Buffer.allocUnsafeSlow(this.#blockCapacity * slots);
    this.#used = new Int32Array(slots).fill(blockHeadBytes);
    this.#blockLeaves = new Int32Array(slots);
    this.#leaves = new Float64Array(slots);
  }

  /** Adds a page of packed leaves (property-index/snapshot.ts); pages come in key order. Returns the leaves added. */
  add(packed: Buffer): number {
    let added = 0;
    for (let position = 0; position < packed.length; added += 1) {
      // Read by hand: this loop runs once per leaf of the shard, and typed reads would double its cost.
      const slot = (((packed[position] as number) << 8) | (packed[position + 1] as number)) & this.#slotMask;
      const keyBytes = ((packed[position + 2] as number) << 8) | (packed[position + 3] as number);
      const end = position + packedLeafHeadBytes + keyBytes + packedVersionBytes;
      // SQLite has no page checksums: a damaged length is found here.
      if (end > packed.length)
        throw new CodedError('damaged-database', 'the property index holds a leaf of a wrong length');
      this.#append(slot, packed, position + 2, end);
      position = end;
    }
    return added;
  }

  #append(slot: number, page: Buffer, start: number, end: number): void {
    const bytes = end - start;
    this.#leaves[slot] = (this.#leaves[slot] as number) + 1;
    if ((this.#used[slot] as number) + bytes > this.#blockCapacity) this.#flush(slot, this.#block(slot));
    const used = this.#used[slot] as number;
    this.#blockLeaves[slot] = (this.#blockLeaves[slot] as number) + 1;
    if (used + bytes > this.#blockCapacity) {
      // A leaf larger than a small block gets a block of its own.
      const own = Buffer.allocUnsafe(blockHeadBytes + bytes);
      page.copy(own, blockHeadBytes, start, end);
      this.#flush(slot, own);
      return;
    }
    page.copy(this.#memory, slot * this.#blockCapacity + used, start, end);
    this.#used[slot] = used + bytes;
  }

  /** The block being filled, as far as it is. */
  #block(slot: number): Buffer {
    const start = slot * this.#blockCapacity;
    return this.#memory.subarray(start, start + (this.#used[slot] as number));
  }

  #flush(slot: number, block: Buffer): void {
    if (block.length === blockHeadBytes) return;
    encodeBlockHead(block, slot, this.#blockLeaves[slot] as number);
    this.#blockLeaves[slot] = 0;
    this.#used[slot] = blockHeadBytes;
    const file = slot >> this.#fileShift;
    let descriptor = this.#files[file];
    if (descriptor === undefined) {
      descriptor = openSync(join(this.#directory, `slots-${file.toString(16)}`), 'w+', 0o600);
      this.#files[file] = descriptor;
      this.#fileBytes[file] = 0;
    }
    const offset = this.#fileBytes[file] as number;
    writeFully(descriptor, block);
    this.#fileBytes[file] = offset + block.length;
    this.#extents[slot] ??= [];
    addExtent(this.#extents[slot], offset, block.length);
  }

  /** Leaves of a slot so far. */
  leavesOf(slot: number): number {
    return this.#leaves[slot] as number;
  }

  /**
   * The finished blocks of a slot in order, in chunks of at most 1 MiB that may cut a block; the last one is
   * taken from memory. A chunk is valid until the next. Call once per slot, after everything was added.
   */
  *blocksOf(slot: number): Generator<Buffer> {
    const extents = this.#extents[slot] ?? [];
    const descriptor = this.#files[slot >> this.#fileShift];
    for (let index = 0; index < extents.length; index += 2) {
      const end = (extents[index] as number) + (extents[index + 1] as number);
      for (let offset = extents[index] as number; offset < end; ) {
        assert(descriptor !== undefined, 'an extent lies in a file');
        const got = readSync(descriptor, this.#chunk, 0, Math.min(copyBytes, end - offset), offset);
        assert(got > 0, 'a slot file keeps what was appended');
        yield this.#chunk.subarray(0, got);
        offset += got;
      }
    }
    if (this.#used[slot] === blockHeadBytes) return;
    const last = this.#block(slot);
    encodeBlockHead(last, slot, this.#blockLeaves[slot] as number);
    yield last;
  }

  /** Closes the files; the caller removes the folder. */
  close(): void {
    for (const descriptor of this.#files) if (descriptor !== undefined) closeSync(descriptor);
    this.#files.length = 0;
  }
}

function addExtent(extents: number[], offset: number, bytes: number): void {
  const last = extents.length - 2;
  if (last >= 0 && (extents[last] as number) + (extents[last + 1] as number) === offset) {
    extents[last + 1] = (extents[last + 1] as number) + bytes;
  } else {
    extents.push(offset, bytes);
  }
}

/** Writes all bytes at the descriptor's position. */
export function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(descriptor, bytes, written, bytes.length - written);
  }
}
