/** The three replicas of the tour: their data roots, filled, drifted and built with what the verbs use. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../lib/bytes.ts';
import { entityKey, parseEntityKey, splitEntity } from '../property/entity.ts';
import { entityHash, shardOf } from '../property/placement.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import type { StoredVersion } from '../property/version.ts';
import { BulkWriter } from '../property-index/bulk-writer.ts';
import { createGroup, shardDirectory, treeDirectory } from '../property-index/data-root.ts';
import { IndexReader } from '../property-index/index-reader.ts';
import { parseTextQuery, searchText } from '../property-index/text-search.ts';
import type { Damage } from '../property-index/verify-index.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import { LocalShardCopy } from '../shard-copy/local-shard-copy.ts';
import { verifyShard } from '../shard-copy/verify-shard.ts';
import type { TreeBuilder } from '../tree/tree-builder.ts';
import type { CommandContext } from './command.ts';
import { type DemoEntity, demoGroup as group, replicaNames } from './demo-data.ts';

const settings: GroupSettings = { shards: 4, slots: 32, spelling: 'compact' };

/** The shard that the last replica loses altogether. */
export const emptiedShard = 2;

/** One shard's roots, in replica order; text of the digest, empty for an empty shard. */
export interface ShardRoots {
  readonly shard: number;
  readonly roots: readonly string[];
  readonly leaves: readonly number[];
}

export class DemoReplicas {
  readonly roots: readonly string[];
  readonly #context: CommandContext;
  readonly #builder: TreeBuilder;

  constructor(directory: string, context: CommandContext, builder: TreeBuilder) {
    this.roots = replicaNames.map((name) => join(directory, name));
    this.#context = context;
    this.#builder = builder;
  }

  /** Writes what each replica saw. Returns how many versions were written over all. */
  async fill(entities: readonly DemoEntity[]): Promise<number> {
    const { clock, signal, out } = this.#context;
    let applied = 0;
    for (const [replica, root] of this.roots.entries()) {
      await createGroup(root, group, settings);
      await using writer = new BulkWriter({ root, groups: new Map([[group, settings]]), clock, signal });
      for (const { seen } of entities) for (const record of seen[replica] ?? []) await writer.add(record);
      await writer.flush();
      applied += writer.counts.applied;
      out.progress(() => `wrote ${replicaNames[replica]}`);
    }
    return applied;
  }

  /** The last replica's disk comes back without one shard. */
  async emptyShard(): Promise<void> {
    const root = this.roots.at(-1) ?? '';
    await rm(shardDirectory(root, group, emptiedShard), { recursive: true });
    await rm(treeDirectory(root, group, emptiedShard), { recursive: true, force: true });
  }

  /** Builds every tree that is not current and tells the roots. */
  async build(): Promise<ShardRoots[]> {
    const all: ShardRoots[] = [];
    for (let shard = 0; shard < settings.shards; shard += 1) {
      const roots: string[] = [];
      const leaves: number[] = [];
      for (const root of this.roots) {
        const built = await this.#builder.build({
          identity: { root, group, shard },
          settings,
          signal: this.#context.signal,
        });
        roots.push(toHex(built.root));
        leaves.push(built.leaves);
      }
      all.push({ shard, roots, leaves });
    }
    return all;
  }

  /** The copies of every shard, as a repair takes them. */
  targets(): ShardCopies[] {
    const { clock } = this.#context;
    return Array.from({ length: settings.shards }, (_, shard) => ({
      group,
      shard,
      copies: this.roots.map(
        (root, replica) =>
          new LocalShardCopy({ root, place: replicaNames[replica] ?? root, group, shard, clock }),
      ),
    }));
  }

  /** The newest version of each entity at one replica. */
  *versions(replica: number, entities: Iterable<string>): Generator<StoredVersion | null> {
    const readers = new Map<number, IndexReader>();
    try {
      for (const text of entities) {
        const entity = splitEntity(text);
        const shard = shardOf(entityHash(entity), settings.shards);
        const reader =
          readers.get(shard) ?? new IndexReader({ root: this.roots[replica] ?? '', group, shard });
        readers.set(shard, reader);
        yield reader.get(entityKey(entity));
      }
    } finally {
      for (const reader of readers.values()) reader.close();
    }
  }

  /** Ids of the properties of one replica in which all words are found. */
  async search(replica: number, words: string): Promise<string[]> {
    const query = parseTextQuery(words);
    const ids: string[] = [];
    for (let shard = 0; shard < settings.shards; shard += 1) {
      using reader = new IndexReader({ root: this.roots[replica] ?? '', group, shard });
      for await (const { key } of searchText(reader, group, query, { signal: this.#context.signal })) {
        ids.push(parseEntityKey(group, key).id);
      }
    }
    return ids;
  }

  /** Verifies every tree and index. */
  async verify(): Promise<Damage[]> {
    const damages: Damage[] = [];
    for (const root of this.roots) {
      for (let shard = 0; shard < settings.shards; shard += 1) {
        const identity = { root, group, shard };
        await verifyShard({
          identity,
          settings,
          onDamage: (damage) => damages.push(damage),
          signal: this.#context.signal,
        });
      }
    }
    return damages;
  }
}
