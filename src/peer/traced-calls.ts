/** Calls as spans: each tells the peer which span it belongs to, and ends its own when it is over. */
import type { Transport, UnaryResponse } from '@connectrpc/connect';
import { CodedError } from '../lib/coded-error.ts';
import type { Span } from '../lib/trace.ts';

/** Goes with every call of a traced run (W3C Trace Context). */
export const traceparentHeader = 'traceparent';

/** Begins the span of a call; null where none is wanted. */
export type StartCall = (call: string, place: string) => Span | null;

/** The transport with a span around each call to `place`. */
export function tracedCalls(calls: Transport, place: string, startCall: StartCall): Transport {
  return {
    unary: async (method, signal, timeoutMs, header, input, values) => {
      const span = startCall(method.name, place);
      const call = calls.unary(method, signal, timeoutMs, withParent(header, span), input, values);
      return await ended(call, span);
    },
    stream: async (method, signal, timeoutMs, header, input, values) => {
      const span = startCall(method.name, place);
      // Who has heard enough of a stream leaves it by its signal.
      signal?.addEventListener('abort', () => span?.end(), { once: true });
      try {
        const answer = await calls.stream(method, signal, timeoutMs, withParent(header, span), input, values);
        return span === null ? answer : { ...answer, message: untilEnded(answer.message, span) };
      } catch (error) {
        span?.end({ error: CodedError.from(error) });
        throw error;
      }
    },
  };
}

function withParent(header: ConstructorParameters<typeof Headers>[0], span: Span | null): Headers {
  const headers = new Headers(header);
  if (span !== null) headers.set(traceparentHeader, span.traceparent);
  return headers;
}

async function ended<Answer extends UnaryResponse>(
  call: Promise<Answer>,
  span: Span | null,
): Promise<Answer> {
  try {
    const answer = await call;
    span?.end();
    return answer;
  } catch (error) {
    span?.end({ error: CodedError.from(error) });
    throw error;
  }
}

async function* untilEnded<T>(messages: AsyncIterable<T>, span: Span): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    span.end({ error: CodedError.from(error) });
    throw error;
  } finally {
    span.end();
  }
}
