/** A signal for work that may take so long and no longer. */
import type { Clock } from './clock.ts';
import type { CodedError } from './coded-error.ts';
import { IdleTimer } from './idle-timer.ts';

export interface TimeLimitOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Why the work ends where it takes longer. */
  readonly error: () => CodedError;
  /** Ends it before. */
  readonly signal: AbortSignal;
}

export class TimeLimit implements Disposable {
  /** Aborted when the time is over, or with the signal given. */
  readonly signal: AbortSignal;
  readonly #timer: IdleTimer;

  private constructor(signal: AbortSignal, timer: IdleTimer) {
    this.signal = signal;
    this.#timer = timer;
  }

  /** The time runs from now until this is disposed. */
  static start({ clock, timeoutMs, error, signal }: TimeLimitOptions): TimeLimit {
    const late = new AbortController();
    const timer = new IdleTimer(clock, timeoutMs, () => late.abort(error()));
    timer.start();
    return new TimeLimit(AbortSignal.any([signal, late.signal]), timer);
  }

  [Symbol.dispose](): void {
    this.#timer.stop();
  }
}
