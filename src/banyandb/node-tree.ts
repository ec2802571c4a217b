/**
 * The leaves of a node's tree as they were walked, in a temporary file, slot after slot; in memory are its slots only. A
 * leaf is its key's length in two bytes, the key and the digest.
 */
import { assert } from '../lib/assert.ts';
import { SpoolFile } from '../lib/spool-file.ts';
import { keyBytesMax } from '../property/entity.ts';
import { DigestComposer } from '../property/tree-digest.ts';
import { digestBytes } from '../property/version.ts';
import type { Leaf, LeafPage, SlotSummary } from '../shard-copy/shard-copy.ts';

const lengthBytes = 2;

/** Bytes of leaves read, and written, at a time: some hundreds of leaves, and several of the greatest. */
const windowBytes = 64 * 1024;

const leafBytesMax = lengthBytes + keyBytesMax + digestBytes;

interface TreeSlot extends SlotSummary {
  /** In the file, in bytes. */
  readonly start: number;
  readonly end: number;
}

/** Whoever uses one disposes it; the file is gone with the last. */
export class NodeTree implements Disposable {
  readonly slots: readonly SlotSummary[];
  /** 64 bytes; none for an empty tree. */
  readonly root: Buffer;
  readonly leaves: number;
  readonly #places: ReadonlyMap<number, TreeSlot>;
  readonly #spool: SpoolFile;
  #users = 1;

  /** Takes over the file. */
  constructor(slots: readonly TreeSlot[], spool: SpoolFile) {
    const composer = new DigestComposer();
    for (const { digest } of slots) composer.update(digest);
    this.root = composer.finish();
    this.leaves = slots.reduce((sum, { leaves }) => sum + leaves, 0);
    this.slots = slots.map(({ slot, digest, leaves }) => ({ slot, digest, leaves }));
    this.#places = new Map(slots.map((slot) => [slot.slot, slot]));
    this.#spool = spool;
  }

  /** For a further user. */
  share(): NodeTree {
    assert(this.#users > 0, 'a tree is shared before it is disposed');
    this.#users++;
    return this;
  }

  [Symbol.dispose](): void {
    if (--this.#users === 0) this.#spool[Symbol.dispose]();
  }

  async *pages(slot: number): AsyncGenerator<LeafPage> {
    const { start, end } = this.#places.get(slot) ?? { start: 0, end: 0 };
    for (let offset = start; offset < end; ) {
      const window = await this.#spool.read(offset, Math.min(windowBytes, end - offset));
      const { leaves, bytes } = leavesOf(window);
      assert(leaves.length > 0, 'a window holds the greatest leaf');
      yield { slot, leaves };
      offset += bytes;
    }
  }
}

/** The whole leaves at the beginning of `window`, and how many bytes they take. */
function leavesOf(window: Buffer): { leaves: Leaf[]; bytes: number } {
  const leaves: Leaf[] = [];
  let offset = 0;
  while (offset + lengthBytes <= window.length) {
    const keyEnd = offset + lengthBytes + window.readUInt16LE(offset);
    const end = keyEnd + digestBytes;
    if (end > window.length) break;
    const key = window.subarray(offset + lengthBytes, keyEnd);
    leaves.push({ key, digest: window.subarray(keyEnd, end), revision: null, deleteTime: null });
    offset = end;
  }
  return { leaves, bytes: offset };
}

/** Takes leaves slot after slot, in order. */
export class NodeTreeBuilder implements Disposable {
  readonly #slots: TreeSlot[] = [];
  readonly #window = Buffer.allocUnsafe(windowBytes);
  #spool: SpoolFile | null;
  #filled = 0;
  #slot = -1;
  #start = 0;
  #leaves = 0;
  #composer = new DigestComposer();

  private constructor(spool: SpoolFile) {
    this.#spool = spool;
  }

  /** Throws `io` where no temporary file can be made. */
  static async create(): Promise<NodeTreeBuilder> {
    return new NodeTreeBuilder(await SpoolFile.create());
  }

  /** Bytes taken so far. */
  get bytes(): number {
    return (this.#spool?.size ?? 0) + this.#filled;
  }

  /** The slot that leaves were last taken of; -1 before the first. */
  get slot(): number {
    return this.#slot;
  }

  /** Whether {@link flush} must come before another leaf. */
  get isFull(): boolean {
    return this.#filled + leafBytesMax > windowBytes;
  }

  /** `slot` is the one before, or a greater one. */
  add(slot: number, key: Buffer, digest: Buffer): void {
    assert(slot >= this.#slot && !this.isFull, 'slots ascend, and there is room');
    if (slot !== this.#slot) this.#endSlot();
    this.#slot = slot;
    this.#window.writeUInt16LE(key.length, this.#filled);
    this.#window.set(key, this.#filled + lengthBytes);
    this.#window.set(digest, this.#filled + lengthBytes + key.length);
    this.#filled += lengthBytes + key.length + digestBytes;
    this.#leaves++;
    this.#composer.update(digest);
  }

  async flush(): Promise<void> {
    const filled = this.#window.subarray(0, this.#filled);
    await this.#spool?.append(filled);
    this.#filled = 0;
  }

  /** Ends it. */
  async finish(): Promise<NodeTree> {
    this.#endSlot();
    await this.flush();
    assert(this.#spool !== null, 'a tree is finished once');
    const tree = new NodeTree(this.#slots, this.#spool);
    this.#spool = null;
    return tree;
  }

  /** Throws away what was not finished. */
  [Symbol.dispose](): void {
    this.#spool?.[Symbol.dispose]();
    this.#spool = null;
  }

  #endSlot(): void {
    if (this.#leaves === 0) return;
    const place = { start: this.#start, end: this.bytes };
    this.#slots.push({ slot: this.#slot, digest: this.#composer.finish(), leaves: this.#leaves, ...place });
    this.#start = place.end;
    this.#leaves = 0;
    this.#composer = new DigestComposer();
  }
}
