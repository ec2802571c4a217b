/**
 * Composes a tree file from slot files: header, leaf section, slot section, root record, footer. Writes a
 * temporary file and fsyncs it; publishing is the caller's. Checks what it promises: counts and order of slots.
 */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { assert } from '../lib/assert.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { yieldToEventLoop } from '../lib/event-loop.ts';
import { DigestComposer } from '../property/tree-digest.ts';
import { BlockDigests } from './block-digests.ts';
import { type SlotFiles, writeFully } from './slot-files.ts';
import {
  encodeFooter,
  encodeRootRecord,
  encodeSlotRecord,
  type SectionEntry,
  sectionType,
  slotRecordBytes,
} from './tree-format.ts';
import { encodeHeader, type TreeHeader } from './tree-header.ts';

/** Bytes copied before other work gets a turn. */
const turnBytes = 4 * 1024 * 1024;

export interface ComposeOptions {
  readonly path: string;
  readonly header: TreeHeader;
  readonly slotFiles: SlotFiles;
  readonly leaves: number;
  readonly liveLeaves: number;
  readonly signal?: AbortSignal | undefined;
  readonly onSlot?: ((slot: number) => void) | undefined;
}

/** Writes the tree file at `path`, durable when this returns. Returns the root digest (no bytes for an empty tree). */
export async function composeTree(options: ComposeOptions): Promise<Buffer> {
  const descriptor = openSync(options.path, 'wx', 0o600);
  try {
    const root = await new TreeComposer(descriptor, options).compose();
    crashPoint('tree:composed');
    fsyncSync(descriptor);
    crashPoint('tree:synced');
    return root;
  } finally {
    closeSync(descriptor);
  }
}

class TreeComposer {
  readonly #descriptor: number;
  readonly #options: ComposeOptions;
  readonly #sections: SectionEntry[] = [];
  #offset = 0;

  constructor(descriptor: number, options: ComposeOptions) {
    this.#descriptor = descriptor;
    this.#options = options;
  }

  async compose(): Promise<Buffer> {
    this.#section(sectionType.header, encodeHeader(this.#options.header));
    const { records, root, slots } = await this.#leafSection();
    this.#section(sectionType.slots, records);
    const { leaves, liveLeaves } = this.#options;
    this.#section(sectionType.root, encodeRootRecord({ root, leaves, liveLeaves, slots }));
    crashPoint('tree:footer');
    this.#write(encodeFooter(this.#sections));
    return root;
  }

  #section(type: number, bytes: Buffer): void {
    this.#sections.push({ type, offset: this.#offset, bytes: bytes.length, checksum: crc32(bytes) });
    this.#write(bytes);
  }

  #write(bytes: Buffer): void {
    writeFully(this.#descriptor, bytes);
    this.#offset += bytes.length;
  }

  async #leafSection(): Promise<{ records: Buffer; root: Buffer; slots: number }> {
    const { header, slotFiles, signal, onSlot } = this.#options;
    const start = this.#offset;
    const records = Buffer.allocUnsafe(header.slots * slotRecordBytes);
    let slots = 0;
    const rootComposer = new DigestComposer();
    const digests = new BlockDigests();
    let leaves = 0;
    let turn = 0;
    for (let slot = 0; slot < header.slots; slot += 1) {
      const slotLeaves = slotFiles.leavesOf(slot);
      if (slotLeaves === 0) continue;
      const offset = this.#offset;
      for (const chunk of slotFiles.blocksOf(slot)) {
        this.#write(chunk);
        digests.add(chunk);
        turn += chunk.length;
        if (turn >= turnBytes) {
          turn = 0;
          await yieldToEventLoop(signal);
        }
      }
      const finished = digests.finish();
      assert(finished.leaves === slotLeaves, 'a slot file holds what was added');
      rootComposer.update(finished.digest);
      const bytes = this.#offset - offset;
      encodeSlotRecord(records, slots * slotRecordBytes, {
        slot,
        ...finished,
        offset,
        bytes,
        generation: header.generation,
      });
      slots += 1;
      leaves += slotLeaves;
      onSlot?.(slot);
      crashPoint('tree:slot');
    }
    assert(leaves === this.#options.leaves, 'the slots hold all leaves');
    this.#sections.push({
      type: sectionType.leaves,
      offset: start,
      bytes: this.#offset - start,
      checksum: 0,
    });
    return { records: records.subarray(0, slots * slotRecordBytes), root: rootComposer.finish(), slots };
  }
}
