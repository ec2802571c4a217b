/**
 * Writes into local shards from a worker thread, so that the process stays free to serve and to coordinate. One
 * thread for all streams of writes; it is started with the first, ends when there was none for a while, and keeps no
 * process alive once this is disposed. Write-ahead logs are moved by the checkpointer, in a thread of its own: a move would hold up the batches behind it.
 */
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { RestingThread } from '../lib/resting-thread.ts';
import type { Checkpointer } from '../property-index/checkpointer.ts';
import { databasePath } from '../property-index/data-root.ts';
import type { ShardIdentity } from '../property-index/schema.ts';
import type { ApplyAnswer, ApplyRequest } from './apply-worker.ts';
import { packBatch } from './packed-batch.ts';
import type { ApplyOptions, ApplyResult, ApplySession, StoredVersion } from './shard-copy.ts';

/** Heap for what a batch leaves behind: a few batches are in the thread at a time, and more heap would only fill with garbage. */
const youngGenerationMb = 16;

/**
 * Bytes of versions written since the thread began beyond which it ends with its last stream, at once: what they left in
 * its memory, some tens of MiB, is given back before a tree of them is built.
 */
const muchWritten = 32 * 1024 * 1024;

type Answered = PromiseWithResolvers<readonly ApplyResult[]>;

/** A request before it has its number. */
type Asked = ApplyRequest extends infer Request
  ? Request extends { readonly id: number }
    ? Omit<Request, 'id'>
    : never
  : never;

export class ApplyThread implements AsyncDisposable {
  readonly #checkpointer: Checkpointer;
  readonly #thread: RestingThread<ApplyAnswer>;
  readonly #answers = new Map<number, Answered>();
  /** Streams that are open, or about to be. */
  #sessions = 0;
  #written = 0;
  #lastId = 0;
  #lastSession = 0;
  #closing = false;

  /** The checkpointer stays the caller's, and is disposed after this. */
  constructor(checkpointer: Checkpointer, clock: Clock) {
    this.#checkpointer = checkpointer;
    this.#thread = new RestingThread<ApplyAnswer>({
      ...{ clock, name: 'apply', youngGenerationMb },
      // The worker has this file's extension: .ts in the sources, .js in the package.
      url: new URL(`./apply-worker${import.meta.url.slice(-3)}`, import.meta.url),
      close: { kind: 'close' } satisfies ApplyRequest,
      onAnswer: (answer) => this.#answered(answer),
      onLost: (error) => this.#lost(error),
    });
  }

  /** Whether there is a thread. */
  get hasThread(): boolean {
    return this.#thread.isThere;
  }

  /** Opens the index for writing, creating group and index where they are absent. Throws `settings-differ`. */
  async open(
    { root, group, shard }: ShardIdentity,
    { settings, confirmed, signal }: ApplyOptions,
  ): Promise<ApplySession> {
    const identity = { root, group, shard };
    this.#lastSession++;
    const session = this.#lastSession;
    const { shards, slots, spelling } = settings;
    const opening = {
      kind: 'open',
      session,
      identity,
      settings: { shards, slots, spelling },
      confirmed,
    } as const;
    this.#sessions++;
    try {
      await this.#ask(opening, signal);
    } catch (error) {
      // It may have opened all the same, before it heard that it was not wanted any more.
      this.#endSession(session).catch(() => undefined);
      throw error;
    }
    return new ThreadSession({
      ask: (asked, given) => this.#ask({ ...asked, session }, given),
      end: () => this.#endSession(session),
      written: async (bytes) => {
        this.#written += bytes;
        await this.#checkpointer.afterWrite(databasePath(root, group, shard), bytes);
      },
    });
  }

  async #endSession(session: number): Promise<void> {
    try {
      await this.#ask({ kind: 'dispose', session });
    } finally {
      this.#sessions--;
      if (this.#sessions === 0 && !this.#closing) await this.#rest();
    }
  }

  async #rest(): Promise<void> {
    if (this.#written < muchWritten) this.#thread.rest();
    else await this.#thread.end();
  }

  async #ask(asked: Asked, signal?: AbortSignal): Promise<readonly ApplyResult[]> {
    throwIfAborted(signal);
    if (this.#closing) throw new CodedError('cancelled', 'the apply thread is closed');
    if (!this.#thread.isThere) this.#written = 0;
    const worker = this.#thread.work();
    this.#lastId++;
    const id = this.#lastId;
    const answered: Answered = Promise.withResolvers();
    const cancel = (): void => worker.postMessage({ kind: 'cancel', id } satisfies ApplyRequest);
    signal?.addEventListener('abort', cancel, { once: true });
    this.#answers.set(id, answered);
    const given = asked.kind === 'apply' ? [asked.batch.bytes.buffer] : [];
    worker.postMessage({ ...asked, id } satisfies ApplyRequest, given);
    try {
      return await answered.promise;
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  #answered(answer: ApplyAnswer): void {
    const answered = this.#answers.get(answer.id);
    this.#answers.delete(answer.id);
    if ('error' in answer) answered?.reject(CodedError.fromJSON(answer.error));
    else answered?.resolve(answer.results);
    if (this.#answers.size === 0 && !this.#closing) this.#thread.wait();
  }

  #lost(error: CodedError): void {
    for (const answered of this.#answers.values()) answered.reject(error);
    this.#answers.clear();
  }

  /** Ends the thread once it has ended what it does. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    await Promise.allSettled([...this.#answers.values()].map(({ promise }) => promise));
    await this.#thread.end();
  }
}

/** What a session asks of its thread. */
type SessionAsked = Asked extends infer Request
  ? Request extends { readonly kind: 'apply' }
    ? Omit<Request, 'session'>
    : never
  : never;

interface SessionThread {
  readonly ask: (asked: SessionAsked, signal?: AbortSignal) => Promise<readonly ApplyResult[]>;
  readonly end: () => Promise<void>;
  /** Told of bytes that were committed; resolves when more may be. */
  readonly written: (bytes: number) => Promise<void>;
}

class ThreadSession implements ApplySession {
  readonly #thread: SessionThread;
  #disposed = false;

  constructor(thread: SessionThread) {
    this.#thread = thread;
  }

  async apply(batch: readonly StoredVersion[], signal?: AbortSignal): Promise<readonly ApplyResult[]> {
    assert(!this.#disposed, 'a session is not used after it was disposed');
    const packed = packBatch(batch);
    const { length } = packed.bytes;
    const results = await this.#thread.ask({ kind: 'apply', batch: packed }, signal);
    await this.#thread.written(length);
    return results;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#thread.end();
  }
}
