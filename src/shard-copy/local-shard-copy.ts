/**
 * One shard of a data root of ours as a shard copy: compared through its newest tree, read and written in
 * its property index as it is now. Opens the index per call, so that a database replaced by a restore is
 * seen as what it is.
 */
import { join } from 'node:path';
import { temporaryPath } from '../lib/atomic-file.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted, yieldToEventLoop } from '../lib/event-loop.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { type Watermark, sameWatermark } from '../property/watermark.ts';
import { readGroupSettings, treeDirectory } from '../property-index/data-root.ts';
import { openReader } from '../property-index/index-reader.ts';
import type { ShardIdentity } from '../property-index/schema.ts';
import { openRespelledTree } from '../tree/respelled-tree.ts';
import { type OnDamage, TreeDirectory } from '../tree/tree-directory.ts';
import type { ApplyThread } from './apply-thread.ts';
import { openLocalApply } from './local-apply.ts';
import type { ApplyOptions, ApplySession, Fetched, ShardCopy, ShardView, ViewOptions } from './shard-copy.ts';
import { AbsentView, noTree, TreeView } from './tree-view.ts';

/** Entities looked up before other work gets a turn: a few milliseconds. */
const fetchTurnRows = 200;

/** Bytes of values read at once, unless one alone is larger: what is read and not yet taken stays small. */
const fetchTurnBytes = 512 * 1024;

export interface LocalShardOptions extends ShardIdentity {
  /** What the user calls it; the data root by default. */
  readonly place?: string;
  readonly clock: Clock;
  /** Writes in a thread of its own; without it the calling thread does. */
  readonly applyThread?: ApplyThread | undefined;
  readonly onDamage?: OnDamage | undefined;
  /** Whether a tree found damaged may be set aside for the next build to make anew; by default nothing is touched. */
  readonly mayBuild?: (() => boolean) | undefined;
}

export class LocalShardCopy implements ShardCopy {
  readonly place: string;
  readonly group: string;
  readonly shard: number;
  readonly #options: LocalShardOptions;
  readonly #directory: TreeDirectory;

  constructor(options: LocalShardOptions) {
    this.place = options.place ?? options.root;
    this.group = options.group;
    this.shard = options.shard;
    this.#options = options;
    this.#directory = new TreeDirectory(treeDirectory(options.root, options.group, options.shard));
  }

  async openView(options: ViewOptions = {}): Promise<ShardView> {
    throwIfAborted(options.signal);
    const settings = await this.#settings();
    if (settings === null) return new AbsentView(this.group, this.shard);
    const { spelling = settings.spelling, signal } = options;
    if (spelling !== settings.spelling) return this.#openRespelled({ ...settings, spelling }, signal);
    const reader = await this.#directory.openNewest(this.#options.onDamage);
    if (reader === null) throw noTree(this.place, this.group, this.shard);
    return new TreeView(reader, this.#movedOn(reader.header.watermark), async (error) => {
      this.#options.onDamage?.(reader.path, error);
      if (this.#options.mayBuild?.() === true) await this.#directory.setAside(reader.path);
    });
  }

  async #settings(): Promise<GroupSettings | null> {
    const settings = await readGroupSettings(this.#options.root, this.group);
    if (settings !== null && this.shard >= settings.shards) {
      throw new CodedError(
        'not-found',
        `group ${this.group} of ${this.place} has ${settings.shards} shards; there is no shard ${this.shard}`,
        { group: this.group, shard: this.shard },
      );
    }
    return settings;
  }

  // A tree in another spelling than the group's is made for this one view, from the index as it is now.
  async #openRespelled(settings: GroupSettings, signal: AbortSignal | undefined): Promise<ShardView> {
    const path = temporaryPath(join(this.#directory.path, 'respelled'));
    const reader = await openRespelledTree({
      identity: this.#options,
      settings,
      path,
      clock: this.#options.clock,
      signal,
    });
    return new TreeView(reader, false);
  }

  #movedOn(watermark: Watermark): boolean {
    using reader = openReader(this.#options);
    return reader === null || !sameWatermark(reader.totals().watermark, watermark);
  }

  async *fetch(keys: Iterable<Buffer>, signal?: AbortSignal): AsyncGenerator<readonly Fetched[]> {
    throwIfAborted(signal);
    using reader = openReader(this.#options);
    const asking = keys[Symbol.iterator]();
    for (let asked = nextKeys(asking, []); asked.length > 0; asked = nextKeys(asking, asked)) {
      const found = reader?.getMany(asked, fetchTurnBytes) ?? asked.map(() => null);
      yield found.map((version, at) => ({ key: asked[at] as Buffer, version }));
      asked.splice(0, found.length);
      await yieldToEventLoop(signal);
    }
  }

  async openApply(options: ApplyOptions): Promise<ApplySession> {
    const { applyThread } = this.#options;
    return await (applyThread?.open(this.#options, options) ?? openLocalApply(this.#options, options));
  }
}

/** Those of `keys` that are left and further ones, as many as are looked up in a turn. */
function nextKeys(asking: Iterator<Buffer>, left: readonly Buffer[]): Buffer[] {
  const keys = [...left];
  while (keys.length < fetchTurnRows) {
    const { done, value } = asking.next();
    if (done) break;
    keys.push(value);
  }
  return keys;
}
