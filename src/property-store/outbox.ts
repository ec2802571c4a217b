/**
 * What is on its way to one other replica: versions that were written here wait, bounded, and go out as fast as the
 * replica takes them. Best effort: what does not get there is counted and left to the next round, and a replica that
 * does not answer is left alone for a while, so that nobody who writes ever waits for it.
 */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { withinTime } from '../peer/within-time.ts';
import { EncodedVersion } from '../property/encoded-version.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { applyBatchBytesMax, applyBatchRowsMax, type StoredVersion } from '../shard-copy/shard-copy.ts';
import type { OtherReplica } from './replicas.ts';

/** Why versions were not sent on. */
export type DropReason = 'full' | 'away' | 'failed' | 'refused' | 'stopped';

export interface OutboxEvents {
  /** Versions that the replica has now, since it took them or had greater ones. */
  sent(place: string, versions: number): void;
  dropped(place: string, versions: number, reason: DropReason, error: CodedError | null): void;
}

export interface OutboxOptions {
  readonly clock: Clock;
  readonly events: OutboxEvents;
}

/** A version with where it belongs. */
export interface Outgoing {
  readonly group: string;
  readonly shard: number;
  readonly settings: GroupSettings;
  readonly version: StoredVersion;
}

/** Versions that wait for one replica: seconds of the fastest writing. */
const waitingVersionsMax = 20_000;

/** Bytes that wait for one replica. */
const waitingBytesMax = 16 * 1024 * 1024;

/** A batch that is not there after this long is given up. */
const sendTimeoutMs = 10_000;

/** A replica that failed is left alone for this long, twice as long after each further failure, up to the second. */
const awayMsFirst = 500;
const awayMsMost = 10_000;

export class Outbox implements AsyncDisposable {
  readonly #options: OutboxOptions;
  readonly #place: string;
  /** Where the replica is reached now. */
  #replica: OtherReplica;
  /** By shard, the longest waiting first. */
  readonly #waiting = new Map<string, Outgoing[]>();
  #count = 0;
  #bytes = 0;
  /** Versions of the batch on its way of which nothing was told yet: what fails after its answer, as the end of its stream may, loses none. */
  #untold = 0;
  #awayMs = 0;
  #awayUntilMs = 0;
  #working: Promise<void> | null = null;
  readonly #stopping = new AbortController();

  constructor(replica: OtherReplica, options: OutboxOptions) {
    this.#replica = replica;
    this.#place = replica.place;
    this.#options = options;
  }

  /** Versions that wait. */
  get waiting(): number {
    return this.#count;
  }

  /** Takes a version on its way; never waits and never throws. */
  send(replica: OtherReplica, outgoing: Outgoing): void {
    this.#replica = replica;
    const { clock } = this.#options;
    const bytes = sizeOf(outgoing);
    if (this.#stopping.signal.aborted) this.#drop(1, 'stopped');
    else if (clock.monotonicMs() < this.#awayUntilMs) this.#drop(1, 'away');
    else if (this.#count >= waitingVersionsMax || this.#bytes + bytes > waitingBytesMax)
      this.#drop(1, 'full');
    else {
      const name = `${outgoing.shard}/${outgoing.group}`;
      const queue = this.#waiting.get(name);
      if (queue === undefined) this.#waiting.set(name, [outgoing]);
      else queue.push(outgoing);
      this.#count += 1;
      this.#bytes += bytes;
      this.#working ??= this.#work();
    }
  }

  /** Waits until everything is out or `signal` says that it has taken long enough; the rest is dropped. */
  async drain(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#stopping.abort(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    await this.#working;
    this.#stopping.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new CodedError('cancelled', 'the replica is stopping'));
    await this.#working;
  }

  async #work(): Promise<void> {
    // What is written in the same turn of the event loop goes out together.
    await Promise.resolve();
    for (let batch = this.#takeBatch(); batch.length > 0; batch = this.#takeBatch()) {
      try {
        await this.#sendBatch(batch);
        this.#awayMs = 0;
      } catch (error) {
        this.#fail(CodedError.from(error));
      }
    }
    this.#working = null;
  }

  #takeBatch(): Outgoing[] {
    const [entry] = this.#waiting;
    if (entry === undefined) return [];
    const [name, queue] = entry;
    let count = 0;
    let bytes = 0;
    for (const outgoing of queue) {
      const more = sizeOf(outgoing);
      if (count === applyBatchRowsMax || (count > 0 && bytes + more > applyBatchBytesMax)) break;
      count += 1;
      bytes += more;
    }
    const batch = queue.splice(0, count);
    // Goes to the end of the line, so that one busy shard holds up no other.
    this.#waiting.delete(name);
    if (queue.length > 0) this.#waiting.set(name, queue);
    this.#count -= count;
    this.#bytes -= bytes;
    this.#untold = count;
    return batch;
  }

  async #sendBatch(batch: readonly Outgoing[]): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    const { clock } = this.#options;
    const sending = new AbortController();
    const signal = AbortSignal.any([sending.signal, this.#stopping.signal]);
    const limit = { clock, step: 'sending on', timeoutMs: sendTimeoutMs, signal };
    try {
      await withinTime(this.#apply(first, batch, signal), limit);
    } catch (error) {
      // What is given up does not go on.
      sending.abort(error);
      throw error;
    }
  }

  async #apply(
    { group, shard, settings }: Outgoing,
    batch: readonly Outgoing[],
    signal: AbortSignal,
  ): Promise<void> {
    const copy = this.#replica.copy(group, shard);
    // Somebody asked for each of these: the fuse is for repairs.
    await using session = await copy.openApply({ settings, confirmed: batch.length, signal });
    crashPoint('store:send');
    const results = await session.apply(
      batch.map(({ version }) => version),
      signal,
    );
    crashPoint('store:sent');
    // Told as lost already.
    throwIfAborted(signal);
    this.#untold = 0;
    const refused = results.filter((result) => result.result === 'refused');
    this.#options.events.sent(this.#place, results.length - refused.length);
    const [why] = refused;
    if (why !== undefined) this.#drop(refused.length, 'refused', new CodedError('refused', why.reason));
  }

  #fail(error: CodedError): void {
    // It answers, and does not hold the shard: no reason to leave it alone.
    if (error.code === 'not-found') {
      this.#drop(this.#untold, 'refused', error);
      return;
    }
    const dropped = this.#untold + this.#count;
    this.#waiting.clear();
    this.#count = 0;
    this.#bytes = 0;
    const stopped = this.#stopping.signal.aborted;
    this.#awayMs = stopped ? 0 : Math.min(Math.max(this.#awayMs * 2, awayMsFirst), awayMsMost);
    this.#awayUntilMs = this.#options.clock.monotonicMs() + this.#awayMs;
    this.#drop(dropped, stopped ? 'stopped' : 'failed', error);
  }

  #drop(versions: number, reason: DropReason, error: CodedError | null = null): void {
    if (versions > 0) this.#options.events.dropped(this.#place, versions, reason, error);
  }
}

// What a version holds in memory, near enough: the rest is small.
function sizeOf({ version }: Outgoing): number {
  return EncodedVersion.sizeOf(version) + version.key.length + 256;
}
