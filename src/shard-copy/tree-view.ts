/** A tree file of ours as a view: what local copies and places that are a single file have in common. */
import type { LeafPage, ShardView, SlotSummary, ViewDescription } from './shard-copy.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import type { SlotRecord } from '../tree/tree-format.ts';
import type { TreeReader } from '../tree/tree-reader.ts';

/** Slot summaries of a page. */
const slotsPerPage = 1_024;

export class TreeView implements ShardView {
  readonly description: ViewDescription;
  readonly #reader: TreeReader;
  readonly #onDamage: (error: CodedError) => Promise<void>;

  /** Takes over the reader. `stale`: the index has moved on since the tree; `onDamage` is told before damage is thrown. */
  constructor(
    reader: TreeReader,
    stale: boolean,
    onDamage = async (_error: CodedError): Promise<void> => {},
  ) {
    this.#reader = reader;
    this.#onDamage = onDamage;
    const { header, root } = reader;
    this.description = {
      group: header.group,
      shard: header.shard,
      shards: header.shards,
      slotScheme: { hash: 'xxh64', seed: 0n, slots: header.slots },
      spelling: header.spelling,
      root: root.root,
      leaves: root.leaves,
      liveLeaves: root.liveLeaves,
      generation: header.generation,
      watermark: header.watermark,
      builtAtMs: header.builtAtMs,
      stale,
    };
  }

  async *slots(signal?: AbortSignal): AsyncGenerator<readonly SlotSummary[]> {
    throwIfAborted(signal);
    const records = await this.#records();
    for (let start = 0; start < records.length; start += slotsPerPage) {
      throwIfAborted(signal);
      const page = records.slice(start, start + slotsPerPage);
      yield page.map(({ slot, digest, leaves }) => ({ slot, digest, leaves }));
    }
  }

  async *leaves(slots: readonly number[], signal?: AbortSignal): AsyncGenerator<LeafPage> {
    const records = new Map((await this.#records()).map((record) => [record.slot, record]));
    for (const slot of slots) {
      const record = records.get(slot);
      if (record === undefined) continue;
      const pages = this.#reader.leavesOf(record, signal);
      for (;;) {
        const page = await this.#telling(pages.next());
        if (page.done) break;
        yield { slot, leaves: page.value };
      }
    }
  }

  #records(): Promise<readonly SlotRecord[]> {
    return this.#telling(this.#reader.slots());
  }

  async #telling<Result>(reading: Promise<Result>): Promise<Result> {
    try {
      return await reading;
    } catch (error) {
      if (error instanceof CodedError && error.code === 'damaged-file') await this.#onDamage(error);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }
}

/** The view of a group that is absent: a copy with nothing in it, of whatever settings the others have. */
export class AbsentView implements ShardView {
  readonly description: ViewDescription;

  constructor(group: string, shard: number) {
    this.description = {
      group,
      shard,
      shards: null,
      slotScheme: null,
      spelling: null,
      root: Buffer.alloc(0),
      leaves: 0,
      liveLeaves: 0,
      generation: null,
      watermark: null,
      builtAtMs: null,
      stale: false,
    };
  }

  async *slots(): AsyncGenerator<readonly SlotSummary[]> {}

  async *leaves(): AsyncGenerator<LeafPage> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The error for a place that has no tree of a shard yet. */
export function noTree(place: string, group: string, shard: number): CodedError {
  return new CodedError('no-tree', `${place} has no tree of group ${group}, shard ${shard}; build it first`, {
    place,
    group,
    shard,
  });
}
