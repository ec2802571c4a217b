/** Errors of a copy, made to name the place they came from. */
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';

/** The error with the place in its message and details; throws `cancelled` instead if the run itself was cancelled. */
export function atPlace(place: string, error: unknown, signal?: AbortSignal): CodedError {
  throwIfAborted(signal);
  const { code, message, details } = CodedError.from(error);
  const named = message.includes(place) ? message : `${place}: ${message}`;
  return new CodedError(code, named, { ...details, place }, { cause: error });
}
