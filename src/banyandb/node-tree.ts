/**
 * The leaves of a node's tree, packed: some 64 bytes and the key each, in one buffer a slot. A leaf is its key's
 * length in two bytes, the key and the digest.
 */
import { assert } from '../lib/assert.ts';
import { DigestComposer } from '../property/tree-digest.ts';
import { digestBytes } from '../property/version.ts';
import type { Leaf, LeafPage, SlotSummary } from '../shard-copy/shard-copy.ts';

/** Leaves of a page given to a reader. */
const leavesPerPage = 1_024;

interface TreeSlot extends SlotSummary {
  readonly packed: Buffer;
}

export class NodeTree {
  readonly slots: readonly SlotSummary[];
  /** 64 bytes; none for an empty tree. */
  readonly root: Buffer;
  readonly leaves: number;
  readonly #packed: ReadonlyMap<number, TreeSlot>;

  constructor(slots: readonly TreeSlot[]) {
    const composer = new DigestComposer();
    for (const { digest } of slots) composer.update(digest);
    this.root = composer.finish();
    this.leaves = slots.reduce((sum, { leaves }) => sum + leaves, 0);
    this.slots = slots.map(({ slot, digest, leaves }) => ({ slot, digest, leaves }));
    this.#packed = new Map(slots.map((slot) => [slot.slot, slot]));
  }

  *pages(slot: number): Generator<LeafPage> {
    const packed = this.#packed.get(slot)?.packed ?? Buffer.alloc(0);
    let leaves: Leaf[] = [];
    for (let offset = 0; offset < packed.length; ) {
      const keyEnd = offset + 2 + packed.readUInt16LE(offset);
      const key = packed.subarray(offset + 2, keyEnd);
      const digest = packed.subarray(keyEnd, keyEnd + digestBytes);
      leaves.push({ key, digest, revision: null, deleteTime: null });
      offset = keyEnd + digestBytes;
      if (leaves.length < leavesPerPage) continue;
      yield { slot, leaves };
      leaves = [];
    }
    if (leaves.length > 0) yield { slot, leaves };
  }
}

/** Takes leaves slot after slot, in order. */
export class NodeTreeBuilder {
  readonly #slots: TreeSlot[] = [];
  #slot = -1;
  #records: Buffer[] = [];
  #composer = new DigestComposer();
  #bytes = 0;

  /** Bytes taken so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The slot that leaves were last taken of; -1 before the first. */
  get slot(): number {
    return this.#slot;
  }

  /** `slot` is the one before, or a greater one. */
  add(slot: number, key: Buffer, digest: Buffer): void {
    assert(slot >= this.#slot, 'slots ascend');
    if (slot !== this.#slot) this.#endSlot();
    this.#slot = slot;
    const record = Buffer.allocUnsafe(2 + key.length + digestBytes);
    record.writeUInt16LE(key.length, 0);
    record.set(key, 2);
    record.set(digest, 2 + key.length);
    this.#records.push(record);
    this.#bytes += record.length;
    this.#composer.update(digest);
  }

  finish(): NodeTree {
    this.#endSlot();
    return new NodeTree(this.#slots);
  }

  #endSlot(): void {
    if (this.#records.length === 0) return;
    this.#slots.push({
      slot: this.#slot,
      digest: this.#composer.finish(),
      leaves: this.#records.length,
      packed: Buffer.concat(this.#records),
    });
    this.#records = [];
    this.#composer = new DigestComposer();
  }
}
