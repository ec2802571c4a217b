/**
 * Ends a thread that has had nothing to do for a while: what it holds beyond its work, tens of MiB, is given back to
 * the machine, and the next work starts another. The thread is asked to end and ends by itself.
 */
import type { Worker } from 'node:worker_threads';
import type { Clock } from './clock.ts';
import { IdleTimer } from './idle-timer.ts';

/** Long enough that work which comes in turns is done by one thread. */
const idleMs = 5_000;

export class IdleEnd {
  readonly #end: (worker: Worker) => void;
  readonly #timer: IdleTimer;
  #letGo: () => Worker | null = () => null;
  #ending: Promise<unknown> = Promise.resolve();

  /** `end` asks a thread to end; by then it must have been let go of. */
  constructor(clock: Clock, end: (worker: Worker) => void) {
    this.#end = end;
    this.#timer = new IdleTimer(clock, idleMs, () => this.#endNow());
  }

  /** The thread has work again. */
  busy(): void {
    this.#timer.stop();
  }

  /** The thread has nothing to do; `letGo` gives it, or null where it is gone already. */
  idle(letGo: () => Worker | null): void {
    this.#letGo = letGo;
    this.#timer.start();
  }

  #endNow(): void {
    const worker = this.#letGo();
    if (worker === null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    worker.once('exit', () => resolve());
    this.#ending = Promise.all([this.#ending, promise]);
    this.#end(worker);
  }

  /** Waits for threads that were asked to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.busy();
    await this.#ending;
  }
}
