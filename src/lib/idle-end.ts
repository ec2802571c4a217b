/**
 * Ends a thread that has had nothing to do for a while: what it holds beyond its work, tens of MiB, is given back to
 * the machine, and the next work starts another. The thread is asked to end and ends by itself.
 */
import type { Worker } from 'node:worker_threads';

/** Long enough that work which comes in turns is done by one thread. */
const idleMs = 5_000;

export class IdleEnd {
  readonly #end: (worker: Worker) => void;
  readonly #idleMs: number;
  #timer: NodeJS.Timeout | null = null;
  #ending: Promise<unknown> = Promise.resolve();

  /** `end` asks a thread to end; by then it must have been let go of. */
  constructor(end: (worker: Worker) => void, afterMs = idleMs) {
    this.#end = end;
    this.#idleMs = afterMs;
  }

  /** The thread has work again. */
  busy(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** The thread has nothing to do; `letGo` gives it, or null where it is gone already. */
  idle(letGo: () => Worker | null): void {
    this.busy();
    this.#timer = setTimeout(() => {
      const worker = letGo();
      if (worker === null) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      worker.once('exit', () => resolve());
      this.#ending = Promise.all([this.#ending, promise]);
      this.#end(worker);
    }, this.#idleMs);
    this.#timer.unref();
  }

  /** Waits for threads that were asked to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.busy();
    await this.#ending;
  }
}
