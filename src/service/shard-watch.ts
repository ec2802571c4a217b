/**
 * What this replica knows of its own shards: settings, counts, newest tree, whether the index has moved on since.
 * Asked again and again, so it opens each index anew: what another process wrote, or replaced, is seen as it is.
 * A shard that cannot be read is told as such and hides no other.
 */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { yieldToEventLoop } from '../lib/event-loop.ts';
import { type HeldShards, holdsShard } from '../peer/held-shards.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { sameWatermark } from '../property/watermark.ts';
import { listGroups, readGroupSettings, treeDirectory } from '../property-index/data-root.ts';
import { type IndexTotals, openReader } from '../property-index/index-reader.ts';
import type { ShardIdentity } from '../property-index/schema.ts';
import { type OnDamage, TreeDirectory } from '../tree/tree-directory.ts';

/** The newest tree of a shard. */
export interface WatchedTree {
  readonly generation: bigint;
  readonly root: Buffer;
  readonly leaves: number;
  readonly builtAtMs: number;
}

export interface WatchedShard {
  readonly group: string;
  readonly shard: number;
  readonly settings: GroupSettings;
  /** Null for an index that is not there yet, or that cannot be read. */
  readonly totals: IndexTotals | null;
  readonly tree: WatchedTree | null;
  readonly generations: readonly bigint[];
  /** The index has moved on since its tree, or there is no tree of what it holds. */
  readonly moved: boolean;
  readonly error: CodedError | null;
}

export interface ShardWatchOptions {
  readonly root: string;
  readonly held: HeldShards;
  readonly clock: Clock;
  readonly onDamage: OnDamage;
}

/** A look serves whoever asks within this time: many askers must not make many looks. */
const freshMs = 1_000;

export class ShardWatch {
  readonly #options: ShardWatchOptions;
  #shards: readonly WatchedShard[] = [];
  #lookedMs = -Infinity;

  constructor(options: ShardWatchOptions) {
    this.#options = options;
  }

  /** As of the last {@link look}. */
  get shards(): readonly WatchedShard[] {
    return this.#shards;
  }

  find(group: string, shard: number): WatchedShard | undefined {
    return this.#shards.find((one) => one.group === group && one.shard === shard);
  }

  /** Looks again unless that was done within the last second: who asks sees what is so. */
  async freshen(signal: AbortSignal): Promise<void> {
    if (this.#options.clock.monotonicMs() - this.#lookedMs > freshMs) await this.look(signal);
  }

  /** Looks at every shard that is held here. Throws where the data root itself cannot be read, `cancelled`. */
  async look(signal: AbortSignal): Promise<readonly WatchedShard[]> {
    const { root, held } = this.#options;
    const shards: WatchedShard[] = [];
    for (const group of await listGroups(root)) {
      const settings = await readGroupSettings(root, group);
      for (let shard = 0; shard < (settings?.shards ?? 0); shard += 1) {
        if (settings === null || !holdsShard(held, group, shard)) continue;
        shards.push(await this.#lookAt({ root, group, shard }, settings));
        await yieldToEventLoop(signal);
      }
    }
    this.#shards = shards;
    this.#lookedMs = this.#options.clock.monotonicMs();
    return shards;
  }

  async #lookAt(identity: ShardIdentity, settings: GroupSettings): Promise<WatchedShard> {
    const { root, group, shard } = identity;
    const none = { group, shard, settings, totals: null, tree: null, generations: [], moved: false };
    try {
      const totals = readTotals(identity);
      const directory = new TreeDirectory(treeDirectory(root, group, shard));
      const generations = await directory.generations();
      await using reader = await directory.openNewest(this.#options.onDamage);
      if (reader === null) return { ...none, totals, generations, moved: true, error: null };
      const { generation, builtAtMs, watermark, slots } = reader.header;
      const tree = { generation, builtAtMs, root: reader.root.root, leaves: reader.root.leaves };
      // A tree whose index is gone says what was there, not what is.
      const moved =
        totals === null || !sameWatermark(totals.watermark, watermark) || slots !== settings.slots;
      return { group, shard, settings, totals, tree, generations, moved, error: null };
    } catch (error) {
      return { ...none, error: CodedError.from(error) };
    }
  }
}

function readTotals(identity: ShardIdentity): IndexTotals | null {
  using reader = openReader(identity);
  return reader?.totals() ?? null;
}
