/** Time from outside: everything that asks the time or waits takes a Clock, so that tests can move it. */
import { setTimeout as sleepFor } from 'node:timers/promises';

export interface Clock {
  /** Wall clock in nanoseconds since 1970, as revisions and delete times are stamped. */
  nowNs(): bigint;
  /** Wall clock in milliseconds since 1970. */
  nowMs(): number;
  /** Monotonic milliseconds with fractions, for durations only. */
  monotonicMs(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowNs: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n,
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (delayMs, signal) => {
    await sleepFor(delayMs, undefined, signal ? { signal } : {});
  },
};
