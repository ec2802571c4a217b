/**
 * What every served call has in common: its ceilings in time, its end by the peer, and errors turned into
 * statuses. A peer that stalls, in sending or in reading, ends its own call and nothing else.
 */
import { createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { Clock } from '../lib/clock.ts';
import { CodedError, type ErrorCode } from '../lib/coded-error.ts';
import { IdleTimer } from '../lib/idle-timer.ts';
import { checkGroupName, shardsMax } from '../property/group-settings.ts';
import { traceparentHeader } from './traced-calls.ts';
import { timeoutError, withinTime } from './within-time.ts';
import { toWireError } from './wire-error.ts';
import { runIdHeader, runIdPattern, type WireDeadlines, type WireLimits } from './wire-limits.ts';
import { badMessage } from './wire-tree.ts';

/** What the server knows of a call beside its messages. */
export interface CallOrigin {
  /** Name in the peer's certificate; null without mTLS. */
  readonly peer: string | null;
  /** Breaks off the call's stream, for a peer that does not even read. */
  readonly breakOff: () => void;
  /** Why the call is refused whatever it asks. */
  readonly refusal: CodedError | null;
}

export const callOriginKey = createContextKey<CallOrigin>({
  peer: null,
  breakOff: () => undefined,
  refusal: null,
});

/** One call when it has ended, for logs and metrics. */
export interface ServedCallEvent {
  readonly call: string;
  readonly peer: string | null;
  readonly runId: string | null;
  /** The caller's span (W3C Trace Context) as it came; null where none did. */
  readonly traceparent: string | null;
  /** Null where it went well. */
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
  readonly durationMs: number;
}

export interface ServedCallOptions {
  readonly clock: Clock;
  readonly deadlines: WireDeadlines;
  readonly limits: WireLimits;
  readonly onCall?: ((event: ServedCallEvent) => void) | undefined;
}

export class ServedCall {
  readonly options: ServedCallOptions;
  /** Aborted when the peer goes, and when the call ends. */
  readonly signal: AbortSignal;
  readonly #context: HandlerContext;
  readonly #origin: CallOrigin;
  readonly #startedMs: number;

  constructor(context: HandlerContext, options: ServedCallOptions) {
    this.options = options;
    this.#context = context;
    this.#origin = context.values.get(callOriginKey);
    this.signal = context.signal;
    this.#startedMs = options.clock.monotonicMs();
  }

  /** What a peer is waited for; throws `timeout` after the idle time. */
  async hear<T>(step: string, work: Promise<T>): Promise<T> {
    const { clock, deadlines } = this.options;
    return await withinTime(work, { clock, step, timeoutMs: deadlines.idleMs, signal: this.signal });
  }

  /** Runs a call of one answer. */
  async answer<T>(work: () => Promise<T>): Promise<T> {
    try {
      this.#admit();
      const answer = await work();
      this.#ended(null);
      return answer;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Passes answers on; between two of them the peer must take the first within the idle time. */
  stream<T>(answers: AsyncGenerator<T>): AsyncIterable<T> {
    const { clock, deadlines } = this.options;
    const unread = new IdleTimer(clock, deadlines.idleMs, () =>
      this.#giveUp('reading the answers', deadlines.idleMs),
    );
    const whole = new IdleTimer(clock, deadlines.streamMs, () =>
      this.#giveUp('the call', deadlines.streamMs),
    );
    whole.start();
    this.signal.addEventListener('abort', () => {
      unread.stop();
      whole.stop();
    });
    const end = async (error: unknown): Promise<void> => {
      unread.stop();
      whole.stop();
      this.#ended(error);
      await answers.return(undefined);
    };
    return {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          unread.stop();
          try {
            this.#admit();
            const next = await answers.next();
            if (next.done) {
              whole.stop();
              this.#ended(null);
            } else unread.start();
            return next;
          } catch (error) {
            whole.stop();
            throw this.#failed(error);
          }
        },
        return: async () => {
          await end(new CodedError('cancelled', 'the peer broke off the call'));
          return { done: true, value: undefined };
        },
        throw: async (error: unknown) => {
          await end(error);
          throw error;
        },
      }),
    };
  }

  #admit(): void {
    if (this.#origin.refusal !== null) throw this.#origin.refusal;
  }

  #giveUp(step: string, timeoutMs: number): void {
    this.#ended(timeoutError(step, timeoutMs));
    this.#origin.breakOff();
  }

  #failed(error: unknown): unknown {
    // Why the call was broken off says more than that it was; what went wrong before says more than either.
    const brokenOff = this.signal.aborted && CodedError.from(error).code === 'cancelled';
    const wire = toWireError(brokenOff ? (this.signal.reason ?? error) : error);
    this.#ended(error);
    return wire;
  }

  #told = false;

  #ended(error: unknown): void {
    if (this.#told) return;
    this.#told = true;
    const runId = this.#context.requestHeader.get(runIdHeader);
    const coded =
      error === null ? null : CodedError.from(error instanceof CodedError ? error : toCoded(error));
    this.options.onCall?.({
      call: this.#context.method.name,
      peer: this.#origin.peer,
      runId: runId !== null && runIdPattern.test(runId) ? runId : null,
      traceparent: this.#context.requestHeader.get(traceparentHeader),
      error: coded && { code: coded.code, message: coded.message },
      durationMs: this.options.clock.monotonicMs() - this.#startedMs,
    });
  }
}

function toCoded(error: unknown): CodedError {
  const wire = toWireError(error);
  return new CodedError((wire.metadata.get('tallystick-code') ?? 'internal') as ErrorCode, wire.rawMessage);
}

/** Throws `bad-argument` or `bad-message` unless the place can exist. */
export function checkPlace(group: string, shard: number): void {
  checkGroupName(group);
  if (shard >= shardsMax)
    throw badMessage(`shard ${shard} is more than there can be`, { field: 'shard', value: shard });
}
