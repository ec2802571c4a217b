/**
 * Verifies one shard of a data root: its newest tree by itself, its index by itself, and one against the other.
 * Where the tree has the index's watermark every leaf is the index's version; where the index has moved on, no
 * version of it is older than its leaf. The other way round counts decide: as many leaves as rows, each found.
 */
import { CodedError } from '../lib/coded-error.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { compareVersions } from '../property/version.ts';
import { sameWatermark } from '../property/watermark.ts';
import { treeDirectory } from '../property-index/data-root.ts';
import { IndexReader } from '../property-index/index-reader.ts';
import type { ShardIdentity } from '../property-index/schema.ts';
import { type Damage, entityText, verifyIndex } from '../property-index/verify-index.ts';
import { yieldToEventLoop } from '../lib/event-loop.ts';
import { TreeDirectory } from '../tree/tree-directory.ts';
import type { TreeReader } from '../tree/tree-reader.ts';
import type { Leaf } from './shard-copy.ts';
import { TreeView } from './tree-view.ts';
import { damageOf, verifyView } from './verify-view.ts';

export interface VerifyShardOptions {
  readonly identity: ShardIdentity;
  readonly settings: GroupSettings;
  readonly onDamage: (damage: Damage) => void;
  readonly onProgress?: ((phase: 'tree' | 'index', done: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface VerifiedShard {
  /** Null where there is no readable tree. */
  readonly generation: bigint | null;
  readonly root: Buffer | null;
  readonly leaves: number | null;
  /** Rows of the index, tombstones included; null where there is no readable index. */
  readonly rows: number | null;
  /** The index has moved on since the tree. */
  readonly stale: boolean;
}

/** Verifies a shard; damage is told to `onDamage`. Throws `cancelled`, `newer-format`, `io`. */
export async function verifyShard(options: VerifyShardOptions): Promise<VerifiedShard> {
  const { identity, onDamage, onProgress, signal } = options;
  const directory = new TreeDirectory(treeDirectory(identity.root, identity.group, identity.shard));
  await using tree = await directory.openNewest((path, error) => onDamage(damageOf(error, path)));
  using index = openIndexReader(options);
  const rows = index?.totals().leaves ?? null;
  const stale = tree === null ? false : await verifyTree(tree, index, options);
  if (index !== null) {
    await verifyIndex(identity, { onDamage, onProgress: (done) => onProgress?.('index', done), signal });
  }
  if (tree === null) return { generation: null, root: null, leaves: null, rows, stale };
  return { generation: tree.header.generation, root: tree.root.root, leaves: tree.root.leaves, rows, stale };
}

/** Returns whether the tree is stale. */
async function verifyTree(
  tree: TreeReader,
  index: IndexReader | null,
  options: VerifyShardOptions,
): Promise<boolean> {
  const { onDamage, onProgress, signal } = options;
  checkHeader(tree, options);
  const stale = index !== null && !sameWatermark(index.totals().watermark, tree.header.watermark);
  const cross = index === null ? null : new CrossCheck(tree, index, stale, options);
  if (index === null && tree.root.leaves > 0) {
    onDamage({
      file: tree.path,
      offset: null,
      entity: null,
      message: `it has ${tree.root.leaves} leaves and there is no property index`,
    });
  }
  await verifyView(new TreeView(tree, stale), {
    file: tree.path,
    onDamage,
    onLeaves: cross === null ? undefined : (leaves) => cross.check(leaves),
    onProgress: (done) => onProgress?.('tree', done),
    signal,
  });
  cross?.checkCounts();
  return stale || (cross?.movedOn ?? false);
}

function checkHeader(
  { header, path }: TreeReader,
  { identity, settings, onDamage }: VerifyShardOptions,
): void {
  const wrong = (message: string) => onDamage({ file: path, offset: 0, entity: null, message });
  if (header.group !== identity.group || header.shard !== identity.shard) {
    wrong(`it is of group ${header.group}, shard ${header.shard}`);
  }
  // The slot count may have been changed since; the next build follows it.
  if (header.shards !== settings.shards)
    wrong(`it is of ${header.shards} shards, its group has ${settings.shards}`);
  if (header.spelling !== settings.spelling)
    wrong(`its digests are of ${header.spelling} JSON, its group is ${settings.spelling}`);
}

function openIndexReader({ identity, settings, onDamage }: VerifyShardOptions): IndexReader | null {
  try {
    const reader = new IndexReader(identity);
    if (reader.shards !== settings.shards || reader.spelling !== settings.spelling) {
      const message = `it is of ${reader.shards} shards spelled ${reader.spelling}, its group of ${settings.shards} spelled ${settings.spelling}`;
      onDamage({ file: reader.path, offset: null, entity: null, message });
    }
    return reader;
  } catch (error) {
    if (error instanceof CodedError && error.code === 'not-found') return null;
    onDamage(damageOf(error, identity.root));
    return null;
  }
}

/** Looks up every leaf in the index as it is now. */
class CrossCheck {
  readonly #tree: TreeReader;
  readonly #index: IndexReader;
  readonly #options: VerifyShardOptions;
  #movedOn: boolean;
  #readable = true;

  constructor(tree: TreeReader, index: IndexReader, stale: boolean, options: VerifyShardOptions) {
    this.#tree = tree;
    this.#index = index;
    this.#movedOn = stale;
    this.#options = options;
  }

  /** The index has moved on since the tree, before or while this ran. */
  get movedOn(): boolean {
    return this.#movedOn;
  }

  async check(leaves: readonly Leaf[]): Promise<void> {
    for (const leaf of leaves) {
      if (!this.#readable) return;
      try {
        this.#checkLeaf(leaf);
      } catch (error) {
        // Told once: the index's own check says where it is damaged.
        this.#readable = false;
        this.#options.onDamage(damageOf(error, this.#index.path));
      }
    }
    await yieldToEventLoop(this.#options.signal);
  }

  #checkLeaf({ key, revision, deleteTime, digest }: Leaf): void {
    const version = this.#index.get(key);
    if (version === null) {
      this.#wrong(key, 'it is a leaf of the tree and absent from the index');
      return;
    }
    if (revision === null || deleteTime === null) return;
    const order = compareVersions(version, { revision, deleteTime, digest });
    if (order < 0) {
      this.#wrong(
        key,
        `the index has an older version than the tree: revision ${version.revision} and ${revision}`,
      );
    } else if (order > 0 && !this.#hasMovedOn()) {
      this.#wrong(
        key,
        `the index has another version than the tree, which has its watermark: revision ${version.revision} and ${revision}`,
      );
    }
  }

  checkCounts(): void {
    if (!this.#readable || this.#hasMovedOn()) return;
    const { leaves } = this.#index.totals();
    if (leaves !== this.#tree.root.leaves) {
      this.#wrong(
        null,
        `the tree has ${this.#tree.root.leaves} leaves and the index, which has its watermark, ${leaves}`,
      );
    }
  }

  // A write may come while this runs.
  #hasMovedOn(): boolean {
    this.#movedOn ||= !sameWatermark(this.#index.totals().watermark, this.#tree.header.watermark);
    return this.#movedOn;
  }

  #wrong(key: Buffer | null, message: string): void {
    const entity = key === null ? null : entityText(this.#tree.header.group, key);
    this.#options.onDamage({ file: this.#index.path, offset: null, entity, message });
  }
}
