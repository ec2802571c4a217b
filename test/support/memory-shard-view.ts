/** The tree of an in-memory shard copy and the view that is pinned to it. */
import { throwIfAborted } from '../../src/lib/event-loop.ts';
import { parseEntityKey } from '../../src/property/entity.ts';
import { entityHash, slotOf } from '../../src/property/placement.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import type { Spelling } from '../../src/property/source-json.ts';
import { DigestComposer } from '../../src/property/tree-digest.ts';
import type {
  Leaf,
  LeafPage,
  ShardView,
  SlotSummary,
  StoredVersion,
  ViewDescription,
} from '../../src/shard-copy/shard-copy.ts';
import { spellVersion } from './versions.ts';

export interface MemoryTree {
  readonly group: string;
  readonly shard: number;
  readonly settings: GroupSettings;
  readonly sequence: bigint;
  /** In key order. */
  readonly versions: readonly StoredVersion[];
  readonly pageLeaves: number;
  readonly foreign: boolean;
}

export interface ComposedTree {
  readonly root: Buffer;
  readonly summaries: readonly SlotSummary[];
  readonly leavesOfSlot: ReadonlyMap<number, readonly Leaf[]>;
  readonly liveLeaves: number;
}

export function respellTree(tree: MemoryTree, spelling: Spelling): MemoryTree {
  return {
    ...tree,
    settings: { ...tree.settings, spelling },
    versions: tree.versions.map((version) => spellVersion(version, spelling)),
  };
}

const composed = new WeakMap<MemoryTree, ComposedTree>();

/** Digests and leaves of a tree; worked out once, since nothing of it changes. */
export function composeTree(tree: MemoryTree): ComposedTree {
  let found = composed.get(tree);
  if (found === undefined) {
    found = compose(tree);
    composed.set(tree, found);
  }
  return found;
}

function compose(tree: MemoryTree): ComposedTree {
  const leavesOfSlot = new Map<number, Leaf[]>();
  for (const { key, digest, revision, deleteTime } of tree.versions) {
    const slot = slotOf(entityHash(parseEntityKey(tree.group, key)), tree.settings.slots);
    const leaf = tree.foreign
      ? { key, digest, revision: null, deleteTime: null }
      : { key, digest, revision, deleteTime };
    const others = leavesOfSlot.get(slot);
    if (others === undefined) leavesOfSlot.set(slot, [leaf]);
    else others.push(leaf);
  }
  const root = new DigestComposer();
  const summaries = [...leavesOfSlot.entries()]
    .sort(([a], [b]) => a - b)
    .map(([slot, leaves]) => {
      const composer = new DigestComposer();
      for (const leaf of leaves) composer.update(leaf.digest);
      const summary = { slot, digest: composer.finish(), leaves: leaves.length };
      root.update(summary.digest);
      return summary;
    });
  const liveLeaves = tree.versions.filter((version) => version.deleteTime === 0n).length;
  return { root: root.finish(), summaries, leavesOfSlot, liveLeaves };
}

export class MemoryShardView implements ShardView {
  readonly description: ViewDescription;
  readonly #tree: MemoryTree;
  readonly #composed: ComposedTree;
  readonly #calls: { leavesRead: number };

  constructor(tree: MemoryTree, stale: boolean, calls: { leavesRead: number }) {
    this.#tree = tree;
    this.#composed = composeTree(tree);
    this.#calls = calls;
    const { settings, foreign, versions } = tree;
    this.description = {
      group: tree.group,
      shard: tree.shard,
      shards: foreign ? null : settings.shards,
      slotScheme: foreign ? null : { hash: 'xxh64', seed: 0n, slots: settings.slots },
      spelling: settings.spelling,
      root: this.#composed.root,
      leaves: versions.length,
      liveLeaves: foreign ? null : this.#composed.liveLeaves,
      generation: foreign ? null : tree.sequence,
      watermark: foreign
        ? null
        : { sequence: tree.sequence, token: tree.sequence.toString(16).padStart(32, '0') },
      builtAtMs: null,
      stale,
    };
  }

  async *slots(signal?: AbortSignal): AsyncGenerator<readonly SlotSummary[]> {
    const { summaries } = this.#composed;
    for (let at = 0; at < summaries.length; at += this.#tree.pageLeaves) {
      throwIfAborted(signal);
      yield summaries.slice(at, at + this.#tree.pageLeaves);
    }
  }

  async *leaves(slots: readonly number[], signal?: AbortSignal): AsyncGenerator<LeafPage> {
    for (const slot of slots) {
      const leaves = this.#composed.leavesOfSlot.get(slot) ?? [];
      for (let at = 0; at < leaves.length; at += this.#tree.pageLeaves) {
        throwIfAborted(signal);
        const page = leaves.slice(at, at + this.#tree.pageLeaves);
        this.#calls.leavesRead += page.length;
        yield { slot, leaves: page };
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held: the tree lives as long as somebody refers to it.
  }
}
