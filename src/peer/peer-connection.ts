/**
 * The connection to one peer: opened when first needed, again when it broke or its certificates changed, shared
 * by all calls. Gives every call its ceilings, its deadline and errors that name the peer.
 */
import type { DescService } from '@bufbuild/protobuf';
import { type CallOptions, type Client, createClient, type Transport } from '@connectrpc/connect';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { Health } from './generated/grpc/health/v1/health_pb.ts';
import { ShardService } from './generated/tallystick/v1/shard_pb.ts';
import { openHttp2, type OpenTransport, type PeerTransport } from './peer-transport.ts';
import type { TlsFiles } from './tls.ts';
import { type StartCall, tracedCalls } from './traced-calls.ts';
import { fromWireError } from './wire-error.ts';
import {
  defaultWireDeadlines,
  defaultWireLimits,
  runIdHeader,
  timeoutHeader,
  timeoutValue,
  type WireDeadlines,
  type WireLimits,
} from './wire-limits.ts';
import { withinTime } from './within-time.ts';

export interface PeerConnectionOptions {
  /** HOST:PORT, IPv6 hosts in brackets. */
  readonly place: string;
  /** Where it listens, HOST:PORT, where that is not what the user calls it. */
  readonly address?: string;
  readonly clock: Clock;
  /** With it the connection is encrypted; a certificate and key in it are shown to the peer. */
  readonly tls?: TlsFiles;
  /** The run that calls belong to, for the peer's logs: up to 64 letters, digits, `_`, `.`, `-`. */
  readonly runId?: string;
  /** Begins the span of each call, where the run is traced. */
  readonly startCall?: StartCall | undefined;
  readonly limits?: Partial<WireLimits>;
  readonly deadlines?: Partial<WireDeadlines>;
  /** Send compressed messages; off by default. */
  readonly compression?: boolean;
  /** How its calls travel; HTTP/2 by default. */
  readonly openTransport?: OpenTransport | undefined;
}

export interface StreamStep {
  /** Names the step in a `timeout`. */
  readonly step: string;
  /** For the first answer, in milliseconds; later ones have the idle timeout. */
  readonly firstMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export class PeerConnection implements Disposable {
  readonly place: string;
  readonly clock: Clock;
  readonly limits: WireLimits;
  readonly deadlines: WireDeadlines;
  readonly shards: Client<typeof ShardService>;
  readonly health: Client<typeof Health>;
  readonly #transport: PeerTransport;
  readonly #calls: Transport;
  readonly #headers: Record<string, string>;

  constructor(options: PeerConnectionOptions) {
    const { place, address = place, clock, tls, runId, compression = false } = options;
    const { openTransport = openHttp2 } = options;
    this.place = place;
    this.clock = clock;
    this.limits = { ...defaultWireLimits, ...options.limits };
    this.deadlines = { ...defaultWireDeadlines, ...options.deadlines };
    this.#headers = runId === undefined ? {} : { [runIdHeader]: runId };
    this.#transport = openTransport({ address, tls, limits: this.limits, compression });
    const { calls } = this.#transport;
    const { startCall } = options;
    this.#calls = startCall === undefined ? calls : tracedCalls(calls, place, startCall);
    this.shards = this.client(ShardService);
    this.health = this.client(Health);
  }

  /** Calls of another service that the peer has. */
  client<Service extends DescService>(service: Service): Client<Service> {
    return createClient(service, this.#calls);
  }

  /** One question, one answer. */
  async ask<T>(
    work: (options: CallOptions) => Promise<T>,
    {
      step,
      timeoutMs,
      signal,
    }: { readonly step: string; readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<T> {
    throwIfAborted(signal);
    const call = new AbortController();
    try {
      const headers = { ...this.#headers, [timeoutHeader]: timeoutValue(timeoutMs) };
      const answer = work({ signal: call.signal, headers });
      return await withinTime(answer, { clock: this.clock, step, timeoutMs, signal });
    } catch (error) {
      throw this.error(error, signal);
    } finally {
      call.abort();
    }
  }

  /** The answers of a stream; each is waited for at most the idle timeout, and the call ends when the reader leaves. */
  async *listen<T>(
    open: (options: CallOptions) => AsyncIterable<T>,
    { step, firstMs, signal }: StreamStep,
  ): AsyncGenerator<T> {
    throwIfAborted(signal);
    const { clock, deadlines } = this;
    const call = new AbortController();
    const endsMs = clock.monotonicMs() + deadlines.streamMs;
    try {
      const answers = open({ signal: call.signal, headers: this.#headers })[Symbol.asyncIterator]();
      for (let timeoutMs = firstMs ?? deadlines.idleMs; ; timeoutMs = deadlines.idleMs) {
        const left = Math.max(0, endsMs - clock.monotonicMs());
        const next = await withinTime(answers.next(), {
          clock,
          step,
          timeoutMs: Math.min(timeoutMs, left),
          signal,
        });
        if (next.done) return;
        yield next.value;
      }
    } catch (error) {
      throw this.error(error, signal);
    } finally {
      call.abort();
    }
  }

  /** The answers of a stream whose waits its reader bounds by itself, and which ends when `call` is aborted. */
  listenUnbounded<T>(
    open: (options: CallOptions) => AsyncIterable<T>,
    call: AbortController,
  ): AsyncIterable<T> {
    return open({ signal: call.signal, headers: this.#headers });
  }

  /** A failure of a call as a coded error that names the peer; a cancelled run stays what it is. */
  error(error: unknown, signal?: AbortSignal): CodedError {
    if (signal?.aborted) return CodedError.from(signal.reason);
    const coded = fromWireError(error, this.place);
    // A connection over which nothing comes any more may be dead without knowing; the next call opens another.
    if (coded.code === 'timeout') this.#transport.renew();
    return coded;
  }

  /** What the peer sent cannot be; to be thrown. */
  wrong(what: string, details: Readonly<Record<string, unknown>> = {}): CodedError {
    return new CodedError('bad-message', `${this.place} sent ${what}`, { ...details, place: this.place });
  }

  /** Breaks off all calls and closes the connection. */
  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }
}
