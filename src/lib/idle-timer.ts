/** A wait that ends in a call unless it is stopped or begun again. */
import type { Clock } from './clock.ts';
import { CodedError } from './coded-error.ts';

/** One for all that are stopped: each message of a call stops one, and making an error costs more than the rest of it. */
const stopped = new CodedError('cancelled', 'a timer was stopped in time');

/** Calls back once when it was started and not stopped or started again for `timeoutMs`. */
export class IdleTimer {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onIdle: () => void;
  #running: AbortController | null = null;

  constructor(clock: Clock, timeoutMs: number, onIdle: () => void) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onIdle = onIdle;
  }

  start(): void {
    this.stop();
    const running = new AbortController();
    this.#running = running;
    this.#clock.sleep(this.#timeoutMs, running.signal).then(
      () => {
        if (this.#running === running) this.#onIdle();
      },
      // Stopped in time.
      () => undefined,
    );
  }

  stop(): void {
    this.#running?.abort(stopped);
    this.#running = null;
  }
}
