/** Waiting that a signal can end even where what is waited for does not listen to it. */
import { CodedError } from './coded-error.ts';
import { throwIfAborted } from './event-loop.ts';

/**
 * Settles as `work` does, or rejects with the signal's reason as a coded error if that comes first.
 * The work itself goes on; what it rejects with afterwards is dropped, since nobody waits for it any more.
 */
export async function raceSignal<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return await work;
  // The loser of the race must not become an unhandled rejection.
  work.catch(() => undefined);
  throwIfAborted(signal);
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(CodedError.from(signal.reason));
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
