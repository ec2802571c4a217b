/**
 * Moves write-ahead logs into their databases in a thread of its own, so that a process that serves never
 * pays for a checkpoint on its event loop. Where a log grows faster than it is moved, writers wait, without
 * blocking anything else.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { CodedError } from '../lib/coded-error.ts';
import type { CheckpointRequest, CheckpointResponse } from './checkpoint-worker.ts';

/** Bytes of values written to a shard before its log is moved. */
const checkpointEveryBytes = 16 * 1024 * 1024;

/** Bytes of values written while a move is under way before writers wait for it: bounds the log. */
const waitBeyondBytes = 64 * 1024 * 1024;

interface Log {
  pendingBytes: number;
  moving: Promise<void> | null;
}

export class Checkpointer implements AsyncDisposable {
  readonly #onError: (path: string, error: CodedError) => void;
  readonly #logs = new Map<string, Log>();
  #worker: Worker | null = null;
  #nextId = 0;
  readonly #waiting = new Map<number, (error: CodedError | null) => void>();

  /** `onError` is told of a move that failed; nothing is lost by it, and the next one tries again. */
  constructor(onError: (path: string, error: CodedError) => void) {
    this.#onError = onError;
  }

  /** Tells that `bytes` of values were committed; resolves at once unless the log has grown too far. */
  async afterWrite(path: string, bytes: number): Promise<void> {
    const log = this.#logs.get(path) ?? { pendingBytes: 0, moving: null };
    this.#logs.set(path, log);
    log.pendingBytes += bytes;
    if (log.moving === null && log.pendingBytes >= checkpointEveryBytes) {
      log.pendingBytes = 0;
      log.moving = this.#move(path)
        .catch((error: unknown) => this.#onError(path, CodedError.from(error)))
        .finally(() => {
          log.moving = null;
        });
    }
    if (log.pendingBytes >= waitBeyondBytes) await log.moving;
  }

  #move(path: string): Promise<void> {
    const worker = this.#started();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (error) => (error === null ? resolve() : reject(error)));
      worker.postMessage({ id, path } satisfies CheckpointRequest);
    });
  }

  #started(): Worker {
    if (this.#worker !== null) return this.#worker;
    const extension = import.meta.url.slice(-3);
    const worker = new Worker(new URL(`./checkpoint-worker${extension}`, import.meta.url));
    worker.unref();
    worker.on('message', ({ id, error }: CheckpointResponse) => {
      this.#waiting.get(id)?.(error === null ? null : CodedError.fromJSON(error));
      this.#waiting.delete(id);
    });
    worker.on('error', (error) => {
      const coded = CodedError.from(error);
      for (const settle of this.#waiting.values()) settle(coded);
      this.#waiting.clear();
      this.#worker = null;
    });
    this.#worker = worker;
    return worker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#logs.values()].map(({ moving }) => moving));
    const worker = this.#worker;
    if (worker === null) return;
    worker.postMessage(null satisfies CheckpointRequest | null);
    worker.ref();
    await once(worker, 'exit');
    this.#worker = null;
  }
}
