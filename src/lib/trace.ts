/**
 * Traces: what a run did, where, and for how long, over all replicas that took part. Whoever is given no tracer makes
 * none; the packages behind it are loaded only where traces are wanted (open-telemetry.ts).
 */
import type { Clock } from './clock.ts';

export type SpanKind = 'internal' | 'client' | 'server';

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  readonly kind?: SpanKind;
  readonly attributes?: SpanAttributes;
}

/** A piece of work under way. */
export interface Span {
  /** Goes with calls that belong to it, as the header of that name (W3C Trace Context). */
  readonly traceparent: string;
  /** A piece of it. */
  start(name: string, options?: SpanOptions): Span;
  /** Ends it, as failed where `error` says why; once is enough. */
  end(end?: { readonly error?: SpanError | null; readonly attributes?: SpanAttributes }): void;
}

export interface SpanError {
  readonly code: string;
  readonly message: string;
}

/** Work that is told of when it is over. */
export interface PastSpan extends SpanOptions {
  readonly parent: string;
  readonly durationMs: number;
  readonly error: SpanError | null;
}

export interface Tracer extends AsyncDisposable {
  /** Begins a trace, or goes on with the one whose `traceparent` came along; one that is malformed is passed over. */
  start(name: string, parent: string | null, options?: SpanOptions): Span;
  /** Tells of work that ends now. */
  record(name: string, past: PastSpan): void;
}

export interface TracerOptions {
  /** Where spans are sent: OTLP over HTTP, as http://127.0.0.1:4318/v1/traces. */
  readonly endpoint: string;
  /** What this replica calls itself. */
  readonly name: string;
  readonly version: string;
  readonly clock: Clock;
  /** Told when spans could not be sent. */
  readonly onProblem: (message: string) => void;
}

/** Version, trace, parent, flags, as https://www.w3.org/TR/trace-context/#traceparent-header has them for version 00. */
const traceparentPattern = /^00-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/;

export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

/** Null for what is malformed, which is treated as if it were absent. */
export function parseTraceparent(text: string | null): TraceParent | null {
  const [, traceId = '', spanId = '', flags = ''] = traceparentPattern.exec(text ?? '') ?? [];
  if (traceId === '' || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

/** Inverse of {@link parseTraceparent}. */
export function formatTraceparent({ traceId, spanId, flags }: TraceParent): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`;
}
