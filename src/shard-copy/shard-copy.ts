/**
 * The one interface that repair sees: a replica's copy of one shard, wherever it is. Implemented by the
 * local copy (index and tree), a peer, a BanyanDB node; in tests by an in-memory copy and by wrappers that
 * delay, cut and damage. Everything is asynchronous, cancellable and bounded.
 *
 * A copy is compared through a *view*, which pins one tree generation, and read (`fetch`) and written
 * (`openApply`) live. A stale tree therefore does no harm: what is fetched is current, and what is applied
 * is compared again in the transaction that writes.
 */
import type { GroupSettings } from '../property/group-settings.ts';
import type { Spelling } from '../property/source-json.ts';
import type { StoredVersion } from '../property/version.ts';
import type { Watermark } from '../property/watermark.ts';

/** One leaf of a tree. Revision and delete time are null where the copy's tree does not tell them (BanyanDB). */
export interface Leaf {
  /** Entity key within the group (property/entity.ts). */
  readonly key: Buffer;
  /** 64 bytes; or, where heads were allowed, the first 8 of them. */
  readonly digest: Buffer;
  readonly revision: bigint | null;
  readonly deleteTime: bigint | null;
}

/** A slot that holds at least one leaf. */
export interface SlotSummary {
  readonly slot: number;
  /** 64 bytes: SHA-512 over the lowercase hex of the slot's leaf digests in key order. */
  readonly digest: Buffer;
  readonly leaves: number;
}

/** How entities are spread over slots; trees of unlike schemes are never compared. */
export interface SlotScheme {
  readonly hash: 'xxh64';
  readonly seed: bigint;
  readonly slots: number;
}

export interface ViewDescription {
  readonly group: string;
  readonly shard: number;
  /** Shard count of the group; null where the copy cannot know. */
  readonly shards: number | null;
  /** Null where the copy does not tell (a foreign tree file). */
  readonly slotScheme: SlotScheme | null;
  readonly spelling: Spelling | null;
  /** 64 bytes; zero length for an empty shard. */
  readonly root: Buffer;
  readonly leaves: number;
  /** How many of the leaves are live; null where unknown. */
  readonly liveLeaves: number | null;
  /** Null for what is no generation of ours, or for a copy without an index. */
  readonly generation: bigint | null;
  readonly watermark: Watermark | null;
  /** When the tree was built, milliseconds since 1970; null where unknown. */
  readonly builtAtMs: number | null;
  /** The index has moved on since the tree was built. */
  readonly stale: boolean;
}

/** A shard copy pinned at one tree generation until it is disposed. */
export interface ShardView extends AsyncDisposable {
  readonly description: ViewDescription;
  /** Pages of slot summaries in ascending slot number; empty slots have none. */
  slots(signal?: AbortSignal): AsyncIterable<readonly SlotSummary[]>;
  /**
   * Pages of the leaves of `slots` (ascending numbers): slot after slot, keys ascending within each.
   * A page never crosses a slot border. Throws `damaged-file` or `bad-message` before a wrong leaf leaves it.
   * Of `headSlots` a copy may give heads of digests only, all leaves of a slot alike: then it is for who asked to
   * compose the slot's digest of the values it fetches.
   */
  leaves(
    slots: readonly number[],
    signal?: AbortSignal,
    headSlots?: ReadonlySet<number>,
  ): AsyncIterable<LeafPage>;
}

export interface LeafPage {
  readonly slot: number;
  readonly leaves: readonly Leaf[];
}

export type { StoredVersion };

/** The newest version of one asked entity, or null where the copy has none. */
export interface Fetched {
  readonly key: Buffer;
  readonly version: StoredVersion | null;
}

/** What became of one version: kept means an equal or greater one was there. */
export type ApplyResult =
  | { readonly result: 'applied' }
  | { readonly result: 'kept' }
  /** `heldBack`: it was not tried, since this copy cannot take it or must not have it. */
  | { readonly result: 'refused'; readonly reason: string; readonly heldBack?: boolean };

/** One stream of writes into a copy, in the order given; dispose it when done. */
export interface ApplySession extends AsyncDisposable {
  /**
   * Applies a batch by the total order and answers when it is durable, one result per version in order.
   * A batch holds at most {@link applyBatchRowsMax} versions and {@link applyBatchBytesMax} bytes of source
   * (or one larger version). Calls may overlap; they take effect in call order.
   */
  apply(batch: readonly StoredVersion[], signal?: AbortSignal): Promise<readonly ApplyResult[]>;
}

export interface ApplyOptions {
  /** Settings with which an absent group is created. */
  readonly settings: GroupSettings;
  /** How many live properties may be replaced in this session beyond the fuse's share; null for the share alone. */
  readonly confirmed: number | null;
  /** How many versions are to be applied, where that is known. */
  readonly expected?: number;
  readonly signal?: AbortSignal;
}

export interface ViewOptions {
  /** Give leaves in this spelling, if the copy can; by default in its own. */
  readonly spelling?: Spelling;
  readonly signal?: AbortSignal;
}

export interface ShardCopy {
  /** What the user calls it: a path or HOST:PORT. */
  readonly place: string;
  readonly group: string;
  readonly shard: number;
  /** Pins the newest tree. Throws `no-tree` where there is none, `spelling-differs` where it cannot spell as asked. */
  openView(options?: ViewOptions): Promise<ShardView>;
  /** Pages of the newest versions of `keys` as the index has them now: one of each in the order asked, tombstones included. */
  fetch(keys: Iterable<Buffer>, signal?: AbortSignal): AsyncIterable<readonly Fetched[]>;
  /** Throws `read-only` where the copy cannot be written. */
  openApply(options: ApplyOptions): Promise<ApplySession>;
  /**
   * For copies that do not take everything: why `version` would be held back where they have `own` (null for nothing),
   * with what would help; null where it would be applied or kept.
   */
  whyHeldBack?(version: StoredVersion, own: StoredVersion | null): string | null;
}

/** Rows of a batch: about 10 ms of synchronous work at 1 kB a row, so the event loop stays free. */
export const applyBatchRowsMax = 200;

/** Bytes of source text in a batch: fits a message of the wire with room to spare. */
export const applyBatchBytesMax = 1024 * 1024;
