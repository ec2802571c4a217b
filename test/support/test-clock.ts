/** A clock that a test sets: sleeping takes a turn of the event loop and moves the time by what was slept. */
import { yieldToEventLoop } from '../../src/lib/event-loop.ts';
import type { Clock } from '../../src/lib/clock.ts';

export class TestClock implements Clock {
  /** Wall clock in milliseconds. */
  wallMs: number;
  #monotonicMs = 0;
  /** Sleeps so far. */
  sleeps = 0;

  constructor(wallMs = 1_700_000_000_000) {
    this.wallMs = wallMs;
  }

  nowNs(): bigint {
    return BigInt(this.wallMs) * 1_000_000n;
  }

  nowMs(): number {
    return this.wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    this.sleeps += 1;
    await yieldToEventLoop(signal);
    this.#monotonicMs += delayMs;
    this.wallMs += delayMs;
  }
}
