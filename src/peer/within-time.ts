/** Waiting for a peer: every wait has a name and ends. */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { raceSignal } from '../lib/race-signal.ts';

/** One for all waits that were not too long: each call has some, and making an error costs more than the rest of it. */
const overInTime = new CodedError('cancelled', 'what was waited for came in time');

export interface WaitLimit {
  readonly clock: Clock;
  /** What is waited for; the error names it. */
  readonly step: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Settles as `work` does; throws `timeout`, or the signal's reason, where that comes first. */
export async function withinTime<T>(
  work: Promise<T>,
  { clock, step, timeoutMs, signal }: WaitLimit,
): Promise<T> {
  const timer = new AbortController();
  const timeout = clock.sleep(timeoutMs, timer.signal).then(
    () => {
      throw timeoutError(step, timeoutMs);
    },
    // Stopped because the work was done first; the race is over.
    () => new Promise<never>(() => undefined),
  );
  timeout.catch(() => undefined);
  try {
    return await raceSignal(Promise.race([work, timeout]), signal);
  } finally {
    timer.abort(overInTime);
  }
}

export function timeoutError(step: string, timeoutMs: number): CodedError {
  return new CodedError('timeout', `${step} took longer than ${timeoutMs} ms`, { step, timeoutMs });
}
