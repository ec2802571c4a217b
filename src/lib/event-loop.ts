/** Letting other work run between pages and batches, and noticing cancellation there. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CodedError } from './coded-error.ts';

/** Gives the event loop one turn, then throws the signal's reason as a coded error if it was aborted. */
export async function yieldToEventLoop(signal?: AbortSignal): Promise<void> {
  await nextTurn();
  throwIfAborted(signal);
}

/** Throws the signal's reason as a coded error (`cancelled`, `timeout`) if it was aborted. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw CodedError.from(signal.reason);
}
