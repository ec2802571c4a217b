/**
 * A shard copy held in memory: the model that the other copies are measured against, and what the repair's
 * own tests run on. Deliberately plain: maps, sorts, no laziness.
 */
import { CodedError } from '../../src/lib/coded-error.ts';
import { throwIfAborted } from '../../src/lib/event-loop.ts';
import { sourceDigest } from '../../src/property/digest.ts';
import { entityKey, parseEntityKey } from '../../src/property/entity.ts';
import { entityHash, shardOf } from '../../src/property/placement.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import { parseSource } from '../../src/property/source-json.ts';
import { compareVersions } from '../../src/property/version.ts';
import { replacementsAllowed, replacesLive } from '../../src/property/replacement-allowance.ts';
import type {
  ApplyOptions,
  ApplyResult,
  ApplySession,
  Fetched,
  ShardCopy,
  ShardView,
  StoredVersion,
  ViewOptions,
} from '../../src/shard-copy/shard-copy.ts';
import { composeTree, MemoryShardView, type MemoryTree, respellTree } from './memory-shard-view.ts';
import { spellVersion } from './versions.ts';

export interface MemoryShardCopyOptions {
  readonly place?: string;
  readonly group?: string;
  readonly shard?: number;
  readonly settings?: Partial<GroupSettings>;
  /** Leaves and slot summaries in a page. */
  readonly pageLeaves?: number;
  /** Leaves tell no revision and delete time, and cannot be spelled anew: as a BanyanDB node's. */
  readonly foreign?: boolean;
}

export class MemoryShardCopy implements ShardCopy {
  readonly place: string;
  readonly group: string;
  readonly shard: number;
  readonly settings: GroupSettings;
  readonly #foreign: boolean;
  readonly #pageLeaves: number;
  /** By key in latin1, which holds any bytes. */
  readonly #versions = new Map<string, StoredVersion>();
  #tree: MemoryTree | null = null;
  #sequence = 0n;
  #applying: Promise<unknown> = Promise.resolve();
  /** How often each operation was called and how much went through it. */
  readonly calls = { views: 0, leavesRead: 0, fetched: 0, sessions: 0, applied: 0, received: 0 };

  constructor(options: MemoryShardCopyOptions = {}) {
    this.place = options.place ?? 'memory';
    this.group = options.group ?? 'g';
    this.shard = options.shard ?? 0;
    this.settings = { shards: 1, slots: 32, spelling: 'compact', ...options.settings };
    this.#foreign = options.foreign ?? false;
    this.#pageLeaves = options.pageLeaves ?? 7;
  }

  /** All newest versions, in key order. */
  get versions(): StoredVersion[] {
    return [...this.#versions.values()].sort((a, b) => Buffer.compare(a.key, b.key));
  }

  get(key: Buffer): StoredVersion | null {
    return this.#versions.get(key.toString('latin1')) ?? null;
  }

  get stale(): boolean {
    return this.#tree !== null && this.#tree.sequence !== this.#sequence;
  }

  /** Rises with every change of what it holds. */
  get sequence(): bigint {
    return this.#sequence;
  }

  /** Generation of the newest tree; 0 where there is none. */
  get generation(): bigint {
    return this.#tree?.sequence ?? 0n;
  }

  /** The root of the newest tree in hex; empty for an empty shard. */
  get root(): string {
    return this.#tree === null ? 'no tree' : composeTree(this.#tree).root.toString('hex');
  }

  /** Applies by the total order outside of any session, as a writer of this replica would. */
  load(versions: Iterable<StoredVersion>): void {
    for (const version of versions) this.#put(version);
  }

  /** Takes a version away, as no replica ever should: for tests of what others make of it. */
  forget(key: Buffer): void {
    this.#versions.delete(key.toString('latin1'));
    this.#sequence++;
  }

  build(): void {
    this.#tree = {
      group: this.group,
      shard: this.shard,
      settings: this.settings,
      sequence: this.#sequence,
      versions: this.versions,
      pageLeaves: this.#pageLeaves,
      foreign: this.#foreign,
    };
  }

  async openView(options: ViewOptions = {}): Promise<ShardView> {
    throwIfAborted(options.signal);
    this.calls.views++;
    const { spelling = this.settings.spelling } = options;
    if (this.#tree === null)
      throw new CodedError('no-tree', `${this.place} has no tree yet`, { place: this.place });
    if (spelling === this.settings.spelling) return new MemoryShardView(this.#tree, this.stale, this.calls);
    if (this.#foreign) {
      throw new CodedError('spelling-differs', `${this.place} cannot be spelled ${spelling}`, {
        place: this.place,
      });
    }
    return new MemoryShardView(respellTree(this.#tree, spelling), this.stale, this.calls);
  }

  async *fetch(keys: Iterable<Buffer>, signal?: AbortSignal): AsyncGenerator<readonly Fetched[]> {
    for (const key of keys) {
      throwIfAborted(signal);
      this.calls.fetched++;
      yield [{ key, version: this.get(key) }];
    }
  }

  async openApply(options: ApplyOptions): Promise<ApplySession> {
    throwIfAborted(options.signal);
    this.calls.sessions++;
    const { confirmed } = options;
    const live = this.versions.filter((version) => version.deleteTime === 0n).length;
    const allowed = Math.max(replacementsAllowed(live), confirmed ?? 0);
    let replaced = 0;
    let disposed = false;
    const applyOne = (received: StoredVersion): ApplyResult => {
      this.calls.received++;
      const reason = this.#reasonToRefuse(received);
      if (reason !== null) return { result: 'refused', reason };
      const version = spellVersion(received, this.settings.spelling);
      const before = this.get(version.key);
      if (before !== null && compareVersions(version, before) <= 0) return { result: 'kept' };
      if (replacesLive(before) && replaced + 1 > allowed) {
        return { result: 'refused', reason: `fuse: more than ${allowed} live properties would be replaced` };
      }
      if (replacesLive(before)) replaced++;
      this.#put(version);
      this.calls.applied++;
      return { result: 'applied' };
    };
    return {
      apply: async (batch, signal) => {
        if (disposed) throw new Error('apply after dispose');
        throwIfAborted(options.signal);
        // In call order, and never within the caller's turn, so that overlapping calls show.
        const turn = this.#applying.then(() => {
          throwIfAborted(signal);
          return batch.map(applyOne);
        });
        this.#applying = turn.catch(() => undefined);
        return await turn;
      },
      [Symbol.asyncDispose]: async () => {
        disposed = true;
      },
    };
  }

  #put(version: StoredVersion): void {
    const before = this.get(version.key);
    const { key, revision, deleteTime, digest, source } = spellVersion(version, this.settings.spelling);
    // As every other copy gives it, whatever form it came in.
    const own = { key, revision, deleteTime, digest, source };
    if (before !== null && compareVersions(own, before) <= 0) return;
    this.#versions.set(own.key.toString('latin1'), own);
    this.#sequence++;
  }

  #reasonToRefuse({ key, source, deleteTime, revision, digest }: StoredVersion): string | null {
    let property: ReturnType<typeof parseSource>;
    try {
      property = parseSource(source);
    } catch (error) {
      return `source: ${CodedError.from(error).message}`;
    }
    if (!sourceDigest(source, deleteTime).equals(digest)) return 'digest does not fit the source';
    if (property.group !== this.group || !entityKey(property).equals(key))
      return 'key does not fit the source';
    if (property.modRevision !== revision) return 'revision does not fit the source';
    if (deleteTime < 0n) return 'delete time is negative';
    const shard = shardOf(entityHash(parseEntityKey(this.group, key)), this.settings.shards);
    return shard === this.shard ? null : `belongs to shard ${shard}`;
  }
}
