/**
 * Writes into a peer's shard copy over one stream: batches go up in call order, several at once, and each is
 * answered when it is durable. Whatever goes wrong ends the session: all waiting calls fail with the same error.
 */
import { assert } from '../lib/assert.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { IdleTimer } from '../lib/idle-timer.ts';
import type { ApplyOptions, ApplyResult, ApplySession, StoredVersion } from '../shard-copy/shard-copy.ts';
import type { ApplyRequest, ApplyResponse } from './generated/tallystick/v1/shard_pb.ts';
import type { PeerConnection } from './peer-connection.ts';
import type { PeerPlace } from './peer-view.ts';
import { SendQueue } from './send-queue.ts';
import { applyBatchesInFlightMax, keepAliveShare, reasonLengthMax } from './wire-limits.ts';
import { toWireSettings } from './wire-tree.ts';
import { toWireVersion, versionTooLarge, wireVersionBytes } from './wire-version.ts';
import { timeoutError, withinTime } from './within-time.ts';

type BatchUp = Pick<ApplyRequest, '$typeName' | 'versions' | 'batch'> & Partial<Pick<ApplyRequest, 'start'>>;

/** A batch that waits for its answer. */
interface Waiting {
  readonly message: BatchUp;
  readonly answered: PromiseWithResolvers<readonly ApplyResult[]>;
}

// A message holds more than its versions: tags and lengths.
const messageOverheadBytes = 64;

/** Opens a stream of writes. Throws `read-only`, `settings-differ` and others as the peer says. */
export async function openPeerApply(
  connection: PeerConnection,
  place: PeerPlace,
  options: ApplyOptions,
): Promise<PeerApplySession> {
  const { settings, confirmed, signal } = options;
  throwIfAborted(signal);
  const session = new PeerApplySession(connection, place.group, signal);
  const start = {
    ...place,
    settings: toWireSettings(settings),
    ...(confirmed !== null && { confirmed: BigInt(confirmed) }),
  };
  await session.open({ $typeName: 'tallystick.v1.ApplyStart', ...start });
  return session;
}

export class PeerApplySession implements ApplySession {
  readonly #connection: PeerConnection;
  readonly #group: string;
  readonly #signal: AbortSignal | undefined;
  readonly #call = new AbortController();
  readonly #queue = new SendQueue<BatchUp>();
  /** Called and not yet taken by the transport, by message. */
  readonly #calls = new Map<BatchUp, Waiting>();
  /** Sent and not answered, in order. */
  readonly #sent: Waiting[] = [];
  readonly #unanswered: IdleTimer;
  readonly #keepAlive: IdleTimer;
  readonly #whole: IdleTimer;
  #batches = 0;
  #failure: CodedError | null = null;
  #reading: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(connection: PeerConnection, group: string, signal: AbortSignal | undefined) {
    this.#connection = connection;
    this.#group = group;
    this.#signal = signal;
    const { clock, deadlines } = connection;
    this.#unanswered = new IdleTimer(clock, deadlines.idleMs, () =>
      this.#fail(timeoutError('applying a batch', deadlines.idleMs)),
    );
    this.#whole = new IdleTimer(clock, deadlines.streamMs, () =>
      this.#fail(timeoutError('the whole of an apply', deadlines.streamMs)),
    );
    this.#keepAlive = new IdleTimer(clock, deadlines.idleMs * keepAliveShare, () => {
      this.#queue.push(batchUp([]));
      this.#keepAlive.start();
    });
  }

  /** To be called once, first. */
  async open(start: NonNullable<ApplyRequest['start']>): Promise<void> {
    const { clock, deadlines, shards } = this.#connection;
    this.#queue.push({ ...batchUp([]), start });
    // Keep-alives and the start hold no versions and have no answer to wait for.
    this.#queue.limit({
      mayTake: () => this.#sent.length < applyBatchesInFlightMax,
      onTaken: (message) => this.#taken(message),
    });
    const answers = this.#connection
      .listenUnbounded((options) => shards.apply(this.#queue, options), this.#call)
      [Symbol.asyncIterator]();
    this.#signal?.addEventListener('abort', this.#abort, { once: true });
    try {
      const limit = {
        clock,
        step: 'opening an apply',
        timeoutMs: deadlines.openApplyMs,
        signal: this.#signal,
      };
      const { done, value } = await withinTime(answers.next(), limit);
      if (done) throw this.#connection.wrong('nothing where an apply was opened');
      if (value.results.length > 0) throw this.#connection.wrong('results before a batch');
    } catch (error) {
      this.#fail(error);
      throw this.#failure;
    }
    this.#keepAlive.start();
    this.#whole.start();
    this.#reading = this.#read(answers);
  }

  async apply(batch: readonly StoredVersion[], signal?: AbortSignal): Promise<readonly ApplyResult[]> {
    assert(!this.#disposed, 'a session is not used after it was disposed');
    throwIfAborted(signal);
    if (this.#failure !== null) throw this.#failure;
    const ceiling = this.#connection.limits.sendBytesMax - messageOverheadBytes;
    const fits = batch.map((version) => wireVersionBytes(version) <= ceiling);
    const versions = batch.filter((_, at) => fits[at]);
    const results = versions.length === 0 ? [] : await this.#send(versions, signal);
    let next = 0;
    return batch.map((version, at) => {
      const result = fits[at] ? results[next++] : undefined;
      return (
        result ?? { result: 'refused', reason: versionTooLarge(this.#group, version.key, ceiling).message }
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#keepAlive.stop();
    this.#queue.end();
    // The peer ends the stream when it has answered all; one that does not is broken off by the idle timer.
    if (this.#failure === null) this.#unanswered.start();
    await this.#reading;
    this.#unanswered.stop();
    this.#whole.stop();
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#call.abort();
  }

  async #send(versions: readonly StoredVersion[], signal?: AbortSignal): Promise<readonly ApplyResult[]> {
    const message = batchUp(versions.map(toWireVersion));
    const waiting: Waiting = { message, answered: Promise.withResolvers() };
    this.#calls.set(message, waiting);
    this.#queue.push(message);
    // What has gone out takes effect whether or not anybody waits for it.
    const abort = (): void => {
      if (this.#queue.remove(message)) this.#calls.delete(message);
      waiting.answered.reject(CodedError.from(signal?.reason));
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await waiting.answered.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #taken(message: BatchUp): void {
    if (!this.#disposed) this.#keepAlive.start();
    const waiting = this.#calls.get(message);
    if (waiting === undefined) return;
    this.#calls.delete(message);
    // Numbered as they leave: one that was cancelled before leaves no gap.
    this.#batches++;
    message.batch = this.#batches;
    this.#sent.push(waiting);
    if (this.#sent.length === 1) this.#unanswered.start();
  }

  async #read(answers: AsyncIterator<ApplyResponse>): Promise<void> {
    try {
      for (let next = await answers.next(); !next.done; next = await answers.next())
        this.#answered(next.value);
      if (this.#sent.length > 0 || this.#calls.size > 0 || !this.#disposed) {
        throw this.#connection.wrong(`no answer to ${this.#sent.length} batches`);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #answered({ batch, results, reasons }: ApplyResponse): void {
    const [waiting] = this.#sent;
    if (waiting === undefined || waiting.message.batch !== batch) {
      throw this.#connection.wrong(
        `results of batch ${batch} where ${waiting?.message.batch ?? 'none'} was due`,
      );
    }
    const { versions } = waiting.message;
    let reason = 0;
    const told = Array.from(results, (code): ApplyResult | null => {
      if (code === 0) return { result: 'applied' };
      if (code === 1) return { result: 'kept' };
      return code === 2
        ? { result: 'refused', reason: (reasons[reason++] ?? '').slice(0, reasonLengthMax) }
        : null;
    });
    const known = told.filter((result) => result !== null);
    if (known.length !== versions.length || told.length !== versions.length || reason !== reasons.length) {
      throw this.#connection.wrong(
        `${told.length} results and ${reasons.length} reasons for ${versions.length} versions`,
      );
    }
    this.#sent.shift();
    if (this.#sent.length > 0) this.#unanswered.start();
    else if (!this.#disposed) this.#unanswered.stop();
    this.#queue.nudge();
    waiting.answered.resolve(known);
  }

  readonly #abort = (): void => this.#fail(this.#signal?.reason);

  #fail(error: unknown): void {
    this.#failure ??= this.#connection.error(error, this.#signal);
    for (const timer of [this.#unanswered, this.#keepAlive, this.#whole]) timer.stop();
    this.#queue.end();
    const failed = [...this.#sent.splice(0), ...this.#calls.values()];
    this.#calls.clear();
    for (const { answered } of failed) answered.reject(this.#failure);
    this.#call.abort();
  }
}

function batchUp(versions: ApplyRequest['versions']): BatchUp {
  return { $typeName: 'tallystick.v1.ApplyRequest', versions, batch: 0 };
}
