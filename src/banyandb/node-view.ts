/** A node's tree as it was walked, as the view of a shard copy. Nothing is pinned at the node. */
import { throwIfAborted } from '../lib/event-loop.ts';
import type { LeafPage, ShardView, SlotSummary, ViewDescription } from '../shard-copy/shard-copy.ts';
import type { NodeTree } from './node-tree.ts';

export interface NodeViewPlace {
  readonly group: string;
  readonly shard: number;
  /** Shard count of the group; null where nobody told it. */
  readonly shards: number | null;
}

export class NodeView implements ShardView {
  readonly description: ViewDescription;
  readonly #tree: NodeTree;
  #open = true;

  /** Takes over a share of the tree. */
  constructor(place: NodeViewPlace, tree: NodeTree) {
    this.description = {
      ...place,
      slotScheme: null,
      spelling: null,
      root: tree.root,
      leaves: tree.leaves,
      liveLeaves: null,
      generation: null,
      watermark: null,
      builtAtMs: null,
      stale: false,
    };
    this.#tree = tree;
  }

  async *slots(signal?: AbortSignal): AsyncGenerator<readonly SlotSummary[]> {
    throwIfAborted(signal);
    if (this.#tree.slots.length > 0) yield this.#tree.slots;
  }

  async *leaves(slots: readonly number[], signal?: AbortSignal): AsyncGenerator<LeafPage> {
    throwIfAborted(signal);
    for (const slot of slots) {
      for await (const page of this.#tree.pages(slot)) {
        throwIfAborted(signal);
        yield page;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#open) this.#tree[Symbol.dispose]();
    this.#open = false;
  }
}
