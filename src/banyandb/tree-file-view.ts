/**
 * A BanyanDB tree file as the pinned view of a shard copy: the same pages of slots and leaves as a tree of ours,
 * without revisions, which the file does not hold. Owns the open file. No leaf leaves the view before the digest of
 * its whole slot was found right, and a file that changes underneath (BanyanDB writes in place) is a damaged one.
 *
 * Not visible, as the format does not cover it: an entity whose bytes changed such that it is still a well-formed
 * entity of the group, between its neighbours in order, and in the slot where it belongs.
 */
import { isUtf8 } from 'node:buffer';
import { dirname, resolve } from 'node:path';
import { compareBytes } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { damagedFile, FileReader } from '../lib/file-reader.ts';
import { xxh64Bytes } from '../lib/xxhash.ts';
import { type Entity, entityKey, splitEntity } from '../property/entity.ts';
import { shardsMax } from '../property/group-settings.ts';
import { DigestComposer } from '../property/tree-digest.ts';
import type { Leaf, LeafPage, ShardView, SlotSummary, ViewDescription } from '../shard-copy/shard-copy.ts';
import { digestRecordBytes, RecordCursor } from './record-cursor.ts';
import { SlotPlacement } from './slot-placement.ts';
import {
  int64Bytes,
  leafLimits,
  readTreeLayout,
  recordAt,
  type RecordSection,
  type SlotRange,
  type TreeLayout,
} from './tree-file.ts';
import { refuseOlderLayout } from './tree-file-recognition.ts';

/** Bytes of the leaf section held at a time: some 400 leaves, several times the greatest leaf. */
const windowBytes = 64 * 1024;

/** Slot summaries of a page: some 100 kB with their digests. */
const slotsPerPage = 1_024;

/** Leaves read at open, so that a wrong entity is noticed by the slot of another before any is given away. */
const sampledLeaves = 64;

/** Slots read for the sample; a tree of few leaves has them in as many slots. */
const sampledSlots = 16;

export interface BanyandbTreeOptions {
  /** Shard number; by default the nearest folder of the path that is named `shard0` or `shard-0` tells it. */
  readonly shard?: number;
}

/**
 * Opens a BanyanDB tree file. Throws `not-found`, `damaged-file`, `too-large`, and `bad-argument` when nothing
 * tells the shard or the file is of a layout older than release 0.9.0.
 */
export async function openBanyandbTree(
  path: string,
  options: BanyandbTreeOptions = {},
): Promise<BanyandbTreeView> {
  const shard = options.shard ?? shardOfPath(path);
  if (shard === null) {
    throw new CodedError('bad-argument', `nothing in the path ${path} tells the shard; name it`, {
      field: 'shard',
      value: null,
      path,
    });
  }
  const file = await FileReader.open(path);
  try {
    await refuseOlderLayout(file);
    const view = new BanyandbTreeView(file, await readTreeLayout(file), shard);
    await view.readSample();
    return view;
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

export class BanyandbTreeView implements ShardView {
  readonly path: string;
  readonly #file: FileReader;
  readonly #layout: TreeLayout;
  readonly #shard: number;
  readonly #placement: SlotPlacement;
  /** Numbers of the slots whose digest was found right. */
  readonly #checkedSlots = new Set<number>();
  #group: string | null = null;

  /** Takes over `file`; {@link openBanyandbTree} is the way to make one. */
  constructor(file: FileReader, layout: TreeLayout, shard: number) {
    this.path = file.path;
    this.#file = file;
    this.#layout = layout;
    this.#shard = shard;
    this.#placement = new SlotPlacement(layout.slots.at(-1)?.slot ?? 0);
  }

  get description(): ViewDescription {
    return {
      group: this.#group ?? '',
      shard: this.#shard,
      shards: null,
      slotScheme: null,
      spelling: null,
      root: this.#layout.root,
      leaves: this.#layout.leaves,
      liveLeaves: null,
      generation: null,
      watermark: null,
      builtAtMs: null,
      stale: false,
    };
  }

  /** Reads some leaves for the group and for {@link SlotPlacement}. Called once, at open. */
  async readSample(): Promise<void> {
    let leaves = 0;
    for (const range of this.#layout.slots.slice(0, sampledSlots)) {
      for await (const page of this.#readSlot(range)) {
        leaves += page.leaves.length;
        break;
      }
      if (leaves >= sampledLeaves) return;
    }
  }

  async *slots(signal?: AbortSignal): AsyncGenerator<readonly SlotSummary[]> {
    const { slots } = this.#layout;
    for (let first = 0; first < slots.length; first += slotsPerPage) {
      throwIfAborted(signal);
      const page = slots.slice(first, first + slotsPerPage);
      yield page.map(({ slot, digest, leaves }) => ({ slot, digest, leaves }));
    }
  }

  async *leaves(slots: readonly number[], signal?: AbortSignal): AsyncGenerator<LeafPage> {
    const wanted = new Set(slots);
    for (const range of this.#layout.slots) {
      if (!wanted.has(range.slot)) continue;
      if (range.end - range.start > windowBytes) await this.#checkSlot(range, signal);
      yield* this.#readSlot(range, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  /** Reads a slot of several pages to its end, so that its digest is known to be right before a leaf is given away. */
  async #checkSlot(range: SlotRange, signal?: AbortSignal): Promise<void> {
    if (this.#checkedSlots.has(range.slot)) return;
    for await (const _ of this.#readSlot(range, signal)) throwIfAborted(signal);
    this.#checkedSlots.add(range.slot);
  }

  /** Pages of one slot; the last page is given only after the slot's count and digest were found right. */
  async *#readSlot(range: SlotRange, signal?: AbortSignal): AsyncGenerator<LeafPage> {
    const { slot, start, end } = range;
    const composer = new DigestComposer();
    let previous: Buffer | null = null;
    let count = 0;
    let offset = start;
    // Ends: every window holds at least one whole leaf, or an error.
    while (offset < end) {
      throwIfAborted(signal);
      const section = await this.#file.read(offset, Math.min(windowBytes, end - offset));
      const window = { path: this.path, bytes: section, fileOffset: offset };
      const { leaves, bytes } = this.#readWindow(window, slot, previous);
      for (const leaf of leaves) composer.update(leaf.digest);
      previous = leaves.at(-1)?.key ?? previous;
      count += leaves.length;
      offset += bytes;
      if (offset === end) this.#checkSlotEnd(range, count, composer.finish());
      yield { slot, leaves };
    }
  }

  #checkSlotEnd({ slot, start, leaves, digest }: SlotRange, count: number, composed: Buffer): void {
    if (count !== leaves) {
      throw damagedFile(this.path, start, `slot ${slot} has ${count} leaves, its record says ${leaves}`);
    }
    if (!composed.equals(digest)) {
      throw damagedFile(this.path, start, `the digest of slot ${slot} does not fit its leaves`);
    }
  }

  /** The whole leaves at the beginning of `window`, and how many bytes they take: at least one, or an error. */
  #readWindow(window: RecordSection, slot: number, before: Buffer | null): { leaves: Leaf[]; bytes: number } {
    const leaves: Leaf[] = [];
    let previous = before;
    let position = 0;
    while (position < window.bytes.length) {
      const offset = window.fileOffset + position;
      const bytes = recordAt(window, position, leafLimits);
      if (bytes === null) break;
      const leaf = this.#readLeaf(bytes, offset, slot);
      if (previous !== null && compareBytes(previous, leaf.key) >= 0) {
        throw damagedFile(this.path, offset, `an entity of slot ${slot} is out of order`);
      }
      previous = leaf.key;
      leaves.push(leaf);
      position += bytes.length;
    }
    if (leaves.length === 0)
      throw damagedFile(this.path, window.fileOffset, `slot ${slot} ends within a leaf`);
    return { leaves, bytes: position };
  }

  #readLeaf(bytes: Buffer, offset: number, slot: number): Leaf {
    const record = new RecordCursor(this.path, bytes.subarray(int64Bytes), offset + int64Bytes);
    const joined = record.string('the entity', digestRecordBytes);
    const entity = this.#splitEntity(joined, offset);
    this.#group ??= entity.group;
    if (entity.group !== this.#group) {
      const groups = `${JSON.stringify(this.#group)} and ${JSON.stringify(entity.group)}`;
      throw damagedFile(this.path, offset, `it holds leaves of two groups, ${groups}`);
    }
    if (!this.#placement.accept(xxh64Bytes(joined), slot)) {
      throw damagedFile(this.path, offset, `an entity lies in slot ${slot} where it does not belong`);
    }
    const digest = record.digest('the leaf digest');
    record.end('the leaf');
    return { key: entityKey(entity), digest, revision: null, deleteTime: null };
  }

  #splitEntity(joined: Buffer, offset: number): Entity {
    if (!isUtf8(joined)) throw damagedFile(this.path, offset, 'an entity is not UTF-8');
    try {
      return splitEntity(joined.toString('utf8'));
    } catch (error) {
      throw new CodedError(
        'damaged-file',
        `${this.path} is damaged at byte ${offset}: ${CodedError.from(error).message}`,
        { path: this.path, offset },
        { cause: error },
      );
    }
  }
}

const shardFolder = /^shard-?(\d{1,9})$/;

/** The shard that the nearest folder of the path tells; BanyanDB names them `shard0` or `shard-0`. Null where none does. */
export function shardOfPath(path: string): number | null {
  for (const folder of dirname(resolve(path)).split(/[\\/]/).reverse()) {
    const shard = shardFolder.exec(folder)?.[1];
    if (shard !== undefined && Number(shard) < shardsMax) return Number(shard);
  }
  return null;
}
