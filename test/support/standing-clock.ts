/** A clock that stands until a test moves it. */
import type { Clock } from '../../src/lib/clock.ts';

export class StandingClock implements Clock {
  #now = 0;
  #sleepers: { readonly dueMs: number; readonly wake: () => void }[] = [];

  nowNs(): bigint {
    return BigInt(this.#now) * 1_000_000n;
  }

  nowMs(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#now;
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    const sleeping = Promise.withResolvers<void>();
    this.#sleepers.push({ dueMs: this.#now + delayMs, wake: sleeping.resolve });
    signal?.addEventListener('abort', () => sleeping.reject(signal.reason));
    return sleeping.promise;
  }

  /** Moves in steps of a second, letting who wakes do its work. */
  async move(byMs: number): Promise<void> {
    for (const end = this.#now + byMs; this.#now < end; ) {
      this.#now += 1_000;
      const due = this.#sleepers.filter(({ dueMs }) => dueMs <= this.#now);
      this.#sleepers = this.#sleepers.filter(({ dueMs }) => dueMs > this.#now);
      for (const { wake } of due) wake();
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  }
}
