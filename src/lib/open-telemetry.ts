/** Spans by OpenTelemetry, sent in batches to a collector. The only place that knows its packages. */
import {
  type Context,
  diag,
  DiagLogLevel,
  type HrTime,
  ROOT_CONTEXT,
  type Span as ApiSpan,
  SpanKind as ApiSpanKind,
  SpanStatusCode,
  trace,
  type Tracer as ApiTracer,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Clock } from './clock.ts';
import {
  formatTraceparent,
  type PastSpan,
  parseTraceparent,
  type Span,
  type SpanKind,
  type SpanOptions,
  type Tracer,
  type TracerOptions,
} from './trace.ts';

/** Spans that are not sent yet have this long when the process ends. */
const flushMs = 2_000;

/** Spans are sent this often. */
const sendEveryMs = 2_000;

/** A batch is given up, and that is told, after this long; trying it again counts too. */
const sendTimeoutMs = 4_000;

const kinds: Readonly<Record<SpanKind, ApiSpanKind>> = {
  internal: ApiSpanKind.INTERNAL,
  client: ApiSpanKind.CLIENT,
  server: ApiSpanKind.SERVER,
};

export class OpenTelemetry implements Tracer {
  readonly #clock: Clock;
  readonly #provider: TracerProvider;
  readonly #tracer: ApiTracer;

  constructor({ endpoint, name, version, clock, onProblem }: TracerOptions) {
    this.#clock = clock;
    const quiet = (): void => undefined;
    diag.setLogger(
      {
        error: (message) => onProblem(sentenceOf(message)),
        warn: quiet,
        info: quiet,
        debug: quiet,
        verbose: quiet,
      },
      { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
    );
    const service = { 'service.name': 'tallystick', 'service.instance.id': name, 'service.version': version };
    this.#provider = new TracerProvider({
      // What the standard variables say of the service wins.
      resource: resourceFromAttributes(service).merge(detectResources({ detectors: [envDetector] })),
      spanProcessors: [
        new BatchSpanProcessor({
          exporter: new OTLPTraceExporter({ url: endpoint, timeoutMillis: sendTimeoutMs }),
          scheduledDelayMillis: sendEveryMs,
        }),
      ],
    });
    this.#tracer = this.#provider.getTracer('tallystick', version);
  }

  start(name: string, parent: string | null, options: SpanOptions = {}): Span {
    return new OpenSpan(this.#tracer, this.#clock, contextOf(parent), name, options);
  }

  record(name: string, { parent, durationMs, error, ...options }: PastSpan): void {
    const startTime = hrTime(this.#clock.nowNs() - BigInt(Math.round(durationMs * 1e6)));
    new OpenSpan(this.#tracer, this.#clock, contextOf(parent), name, options, startTime).end({ error });
  }

  /** Sends what is left, for a moment. */
  async [Symbol.asyncDispose](): Promise<void> {
    const over = new AbortController();
    const late = this.#clock.sleep(flushMs, over.signal).catch(() => undefined);
    await Promise.race([this.#provider.shutdown().catch(() => undefined), late]);
    over.abort();
  }
}

class OpenSpan implements Span {
  readonly #tracer: ApiTracer;
  readonly #clock: Clock;
  readonly #context: Context;
  readonly #span: ApiSpan;
  #ended = false;

  constructor(
    tracer: ApiTracer,
    clock: Clock,
    parent: Context,
    name: string,
    { kind = 'internal', attributes = {} }: SpanOptions,
    startTime: HrTime = hrTime(clock.nowNs()),
  ) {
    this.#tracer = tracer;
    this.#clock = clock;
    this.#span = tracer.startSpan(
      name,
      { kind: kinds[kind], attributes: { ...attributes }, startTime },
      parent,
    );
    this.#context = trace.setSpan(parent, this.#span);
  }

  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.#span.spanContext();
    return formatTraceparent({ traceId, spanId, flags: traceFlags });
  }

  start(name: string, options: SpanOptions = {}): Span {
    return new OpenSpan(this.#tracer, this.#clock, this.#context, name, options);
  }

  end({ error = null, attributes = {} }: Parameters<Span['end']>[0] = {}): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#span.setAttributes({ ...attributes, ...(error !== null && { 'error.type': error.code }) });
    if (error !== null) this.#span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    this.#span.end(hrTime(this.#clock.nowNs()));
  }
}

/** What the packages tell is an error as JSON, with its stack. */
function sentenceOf(told: string): string {
  try {
    const { message } = JSON.parse(told) as { message?: unknown };
    return typeof message === 'string' ? message : told;
  } catch (error) {
    if (error instanceof SyntaxError) return told;
    throw error;
  }
}

function contextOf(parent: string | null): Context {
  const parsed = parseTraceparent(parent);
  if (parsed === null) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = parsed;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: flags, isRemote: true });
}

function hrTime(ns: bigint): HrTime {
  return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)];
}
