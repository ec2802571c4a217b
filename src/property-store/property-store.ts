/**
 * A small replicated property store: what applications write is durable here when it is answered, and on its way to
 * the other replicas of the shard. One success is enough; what does not arrive, the next round mends. Reads answer
 * from this replica's own copy. Knows nothing of how it is called: gRPC and HTTP ask the same three operations.
 *
 * Writers at different replicas at the same time are settled by the one order of versions, as everything is; a write
 * wins over whatever its author had read, whichever replica's clock is slow.
 */
import type { Clock } from '../lib/clock.ts';
import { CodedError, type ErrorCode } from '../lib/coded-error.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { IdleTimer } from '../lib/idle-timer.ts';
import { type HeldShards, holdsShard } from '../peer/held-shards.ts';
import type { Entity } from '../property/entity.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { entityHash, shardOf } from '../property/placement.ts';
import { propertyBytes } from '../property/protobuf-size.ts';
import type { StoredVersion } from '../property/version.ts';
import type { Checkpointer } from '../property-index/checkpointer.ts';
import { deleteEdit, type Edit } from '../property-index/edit.ts';
import { checkNamed, checkWrite } from './check-write.ts';
import { KnownGroups } from './groups.ts';
import { LocalEdits } from './local-edits.ts';
import { Outbox, type OutboxEvents } from './outbox.ts';
import { type QueryAnswer, queryShards, type StoreQuery } from './query-shards.ts';
import { RemoteEdits } from './remote-edits.ts';
import type { OtherReplicas } from './replicas.ts';
import { ShardEdits } from './shard-edits.ts';
import { type PropertyWrite, writeEdit, type Written } from './write-edits.ts';

export type StoreCall = 'apply' | 'delete' | 'query';

export interface StoreEvents extends OutboxEvents {
  /** A call has ended; `code` is `ok` or the code of the error. */
  called(call: StoreCall, code: ErrorCode | 'ok', tookMs: number): void;
  /** A write was given a revision that lies ahead of this replica's clock: the clock is behind what it has seen. */
  clockBehind(behindNs: bigint): void;
}

export interface PropertyStoreOptions {
  readonly root: string;
  readonly held: HeldShards;
  readonly clock: Clock;
  readonly checkpointer: Checkpointer;
  readonly replicas: OtherReplicas;
  readonly events: StoreEvents;
}

/** Shards whose indexes stay open for writing: each has a page cache; the longest unused is closed. */
const openShardsMax = 32;

/** What a delete costs in a queue: the property it deletes is not known yet. */
const deleteBytes = 1_024;

/** What is on its way to other replicas when the store closes is waited for this long. */
const drainMsMax = 2_000;

export class PropertyStore implements AsyncDisposable {
  readonly #options: PropertyStoreOptions;
  readonly #groups: KnownGroups;
  /** In order of last use, the longest unused first. */
  readonly #shards = new Map<string, ShardEdits>();
  readonly #outboxes = new Map<string, Outbox>();
  /** Cuts what is on its way to other replicas. */
  readonly #late = new AbortController();
  #closed = false;

  constructor(options: PropertyStoreOptions) {
    this.#options = options;
    this.#groups = new KnownGroups(options.root, options.clock, options.replicas);
  }

  /** Versions on their way to other replicas. */
  get waiting(): number {
    return [...this.#outboxes.values()].reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /**
   * Creates or changes a property; durable when this returns. Throws `bad-argument` and `too-large` with `field` and
   * `reason`, `not-found` for an unknown group, `busy`, `unreachable` where the shard is not held here and nobody
   * that holds it answers.
   */
  apply(write: PropertyWrite, signal?: AbortSignal): Promise<Written> {
    return this.#call('apply', async () => {
      const { property } = write;
      checkWrite(property);
      const settings = await this.#groups.find(property.group, 'property.metadata.group');
      const { edit, written } = writeEdit(write);
      await this.#commit(edit, settings, propertyBytes(property), signal);
      const behindNs = written.revision - this.#options.clock.nowNs();
      this.#options.events.clockBehind(behindNs > 0n ? behindNs : 0n);
      return written;
    });
  }

  /** Deletes a property; whether there was a live one. Durable and throws as {@link apply}. */
  delete(entity: Entity, signal?: AbortSignal): Promise<boolean> {
    return this.#call('delete', async () => {
      checkNamed(entity);
      const settings = await this.#groups.find(entity.group, 'group');
      const edit = deleteEdit(entity, this.#options.clock);
      return (await this.#commit(edit, settings, deleteBytes, signal)) !== null;
    });
  }

  /** Live properties that are as wanted. Throws `bad-argument`, `not-found`, `too-large`. */
  query(query: StoreQuery, signal?: AbortSignal): Promise<QueryAnswer> {
    return this.#call('query', () => {
      const { root, held, replicas, clock } = this.#options;
      const settings = (group: string) => this.#groups.find(group, 'groups');
      return queryShards(query, { root, held, replicas, settings, nowNs: () => clock.nowNs() }, signal);
    });
  }

  /** Commits an edit and sends on what it wrote; gives that, or null where nothing was written. */
  async #commit(
    edit: Edit,
    settings: GroupSettings,
    bytes: number,
    signal: AbortSignal | undefined,
  ): Promise<StoredVersion | null> {
    const { group } = edit.entity;
    const shard = shardOf(entityHash(edit.entity), settings.shards);
    const { written: version } = await this.#edits(group, shard, settings).add(edit, bytes, signal);
    crashPoint('store:committed');
    if (version !== null) this.#sendOn(group, shard, settings, version);
    crashPoint('store:sending');
    return version;
  }

  #sendOn(group: string, shard: number, settings: GroupSettings, version: StoredVersion): void {
    const { replicas, clock, events } = this.#options;
    for (const replica of replicas.holding(group, shard)) {
      const outbox = this.#outboxes.get(replica.place) ?? new Outbox(replica, { clock, events });
      this.#outboxes.set(replica.place, outbox);
      outbox.send(replica, { group, shard, settings, version });
    }
  }

  #edits(group: string, shard: number, settings: GroupSettings): ShardEdits {
    if (this.#closed) throw new CodedError('busy', 'this replica is stopping; another one takes the write');
    const name = `${shard}/${group}`;
    const edits = this.#shards.get(name) ?? new ShardEdits(this.#target(group, shard, settings));
    this.#shards.delete(name);
    this.#shards.set(name, edits);
    if (this.#shards.size > openShardsMax) this.#closeLongestUnused();
    return edits;
  }

  #target(group: string, shard: number, settings: GroupSettings): LocalEdits | RemoteEdits {
    const { root, held, clock, checkpointer, replicas } = this.#options;
    if (holdsShard(held, group, shard))
      return new LocalEdits({ identity: { root, group, shard }, settings, clock, checkpointer });
    const holders = () => replicas.holding(group, shard);
    return new RemoteEdits({ group, shard, settings, clock, holders, signal: this.#late.signal });
  }

  #closeLongestUnused(): void {
    const found = [...this.#shards].slice(0, -1).find(([, edits]) => edits.idle);
    if (found === undefined) return;
    this.#shards.delete(found[0]);
    // Nothing waits in it, so that only its index is closed.
    void found[1][Symbol.asyncDispose]();
  }

  async #call<Result>(call: StoreCall, work: () => Promise<Result>): Promise<Result> {
    const { clock, events } = this.#options;
    const startMs = clock.monotonicMs();
    try {
      const result = await work();
      events.called(call, 'ok', clock.monotonicMs() - startMs);
      return result;
    } catch (error) {
      const coded = CodedError.from(error);
      events.called(call, coded.code, clock.monotonicMs() - startMs);
      throw coded;
    }
  }

  /** Takes no more writes, waits for those made here and, for a moment, for what is on its way to other replicas. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const stopping = new CodedError('cancelled', 'the replica is stopping');
    const timer = new IdleTimer(this.#options.clock, drainMsMax, () => this.#late.abort(stopping));
    timer.start();
    await Promise.all([...this.#shards.values()].map((edits) => edits[Symbol.asyncDispose]()));
    await Promise.all([...this.#outboxes.values()].map((outbox) => outbox.drain(this.#late.signal)));
    timer.stop();
  }
}
