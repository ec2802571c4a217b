/**
 * Group commit: edits of one shard that arrive while a transaction runs wait for the next one and share it, so that
 * many writers at once pay for one fsync. Each is answered when it is durable.
 */
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted, yieldToEventLoop } from '../lib/event-loop.ts';
import type { Edit, EditOutcome, EditResult } from '../property-index/edit.ts';
import { applyBatchBytesMax, applyBatchRowsMax } from '../shard-copy/shard-copy.ts';

/** What commits edits of one shard, in order, all at once; results in order. Throws where none was committed. */
export interface EditTarget extends AsyncDisposable {
  commit(edits: readonly Edit[]): Promise<readonly EditResult[]>;
}

/** Edits that wait for one shard: some seconds of work; who comes after them hears `busy` and tries again. */
const waitingEditsMax = 4_096;

/** Bytes of properties that wait for one shard. */
const waitingBytesMax = 32 * 1024 * 1024;

interface Waiting {
  readonly edit: Edit;
  readonly bytes: number;
  readonly done: PromiseWithResolvers<EditOutcome>;
}

export class ShardEdits implements AsyncDisposable {
  readonly #target: EditTarget;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #working: Promise<void> | null = null;

  constructor(target: EditTarget) {
    this.#target = target;
  }

  /** No edit waits or is being committed. */
  get idle(): boolean {
    return this.#working === null;
  }

  /**
   * Commits an edit of `bytes`. A signal takes back one that still waits. Throws `busy`, `cancelled`, what the edit
   * was refused for, and what the target throws.
   */
  async add(edit: Edit, bytes: number, signal?: AbortSignal): Promise<EditOutcome> {
    throwIfAborted(signal);
    if (this.#waiting.length >= waitingEditsMax || this.#waitingBytes + bytes > waitingBytesMax) {
      const message = `${this.#waiting.length} writes wait for this shard already; try again`;
      throw new CodedError('busy', message, { waiting: this.#waiting.length });
    }
    const waiting: Waiting = { edit, bytes, done: Promise.withResolvers() };
    this.#waiting.push(waiting);
    this.#waitingBytes += bytes;
    const takeBack = (): void => {
      const at = this.#waiting.indexOf(waiting);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      this.#waitingBytes -= bytes;
      waiting.done.reject(CodedError.from(signal?.reason));
    };
    signal?.addEventListener('abort', takeBack, { once: true });
    this.#working ??= this.#work();
    try {
      return await waiting.done.promise;
    } finally {
      signal?.removeEventListener('abort', takeBack);
    }
  }

  /** Waits for what was added, then closes the target. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#working;
    await this.#target[Symbol.asyncDispose]();
  }

  async #work(): Promise<void> {
    // Requests that came in the same turn of the event loop share the first transaction too.
    await yieldToEventLoop();
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      try {
        const results = await this.#target.commit(batch.map(({ edit }) => edit));
        for (const [at, { done }] of batch.entries()) settle(done, results[at]);
      } catch (error) {
        const coded = CodedError.from(error);
        for (const { done } of batch) done.reject(coded);
      }
      await yieldToEventLoop();
    }
    this.#working = null;
  }

  #takeBatch(): Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const one of this.#waiting) {
      if (count === applyBatchRowsMax || (count > 0 && bytes + one.bytes > applyBatchBytesMax)) break;
      count += 1;
      bytes += one.bytes;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }
}

function settle(done: PromiseWithResolvers<EditOutcome>, result: EditResult | undefined): void {
  if (result === undefined) done.reject(new CodedError('internal', 'an edit has no result'));
  else if ('error' in result) done.reject(result.error);
  else done.resolve(result);
}
