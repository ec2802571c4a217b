/**
 * The connection to one peer: opened when first needed, again when it broke or its certificates changed, shared
 * by all calls. Gives every call its ceilings, its deadline and errors that name the peer.
 */
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { type CallOptions, type Client, createClient } from '@connectrpc/connect';
import { compressionGzip, createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { Health } from './generated/grpc/health/v1/health_pb.ts';
import { ShardService } from './generated/tallystick/v1/shard_pb.ts';
import type { TlsFiles, TlsMaterial } from './tls.ts';
import { fromWireError } from './wire-error.ts';
import {
  defaultWireDeadlines,
  defaultWireLimits,
  runIdHeader,
  sessionMemoryMb,
  sessionWindowBytes,
  streamWindowBytes,
  type WireDeadlines,
  type WireLimits,
} from './wire-limits.ts';
import { withinTime } from './within-time.ts';

export interface PeerConnectionOptions {
  /** HOST:PORT, IPv6 hosts in brackets. */
  readonly place: string;
  readonly clock: Clock;
  /** With it the connection is encrypted; a certificate and key in it are shown to the peer. */
  readonly tls?: TlsFiles;
  /** The run that calls belong to, for the peer's logs: up to 64 letters, digits, `_`, `.`, `-`. */
  readonly runId?: string;
  readonly limits?: Partial<WireLimits>;
  readonly deadlines?: Partial<WireDeadlines>;
  /** Send compressed messages; off by default. */
  readonly compression?: boolean;
}

/** A silent connection with open calls is asked for a sign of life this often. */
const pingIntervalMs = 20_000;
const pingTimeoutMs = 15_000;

/** A connection without calls is closed after this long; below a server's 2 minutes. */
const connectionIdleMs = 90_000;

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
  readonly #sessions: ReloadingSessions;
  readonly #headers: Record<string, string>;

  constructor(options: PeerConnectionOptions) {
    const { place, clock, tls, runId, compression = false } = options;
    this.place = place;
    this.clock = clock;
    this.limits = { ...defaultWireLimits, ...options.limits };
    this.deadlines = { ...defaultWireDeadlines, ...options.deadlines };
    this.#headers = runId === undefined ? {} : { [runIdHeader]: runId };
    const baseUrl = urlOf(place, tls !== undefined);
    this.#sessions = new ReloadingSessions(baseUrl, tls);
    const transport = createGrpcTransport({
      baseUrl,
      sessionManager: this.#sessions,
      readMaxBytes: this.limits.acceptBytesMax,
      writeMaxBytes: this.limits.sendBytesMax,
      acceptCompression: compression ? [compressionGzip] : [],
      ...(compression && { sendCompression: compressionGzip }),
      binaryOptions: { readUnknownFields: false },
    });
    this.shards = createClient(ShardService, transport);
    this.health = createClient(Health, transport);
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
      const answer = work({ signal: call.signal, headers: this.#headers });
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
    return signal?.aborted ? CodedError.from(signal.reason) : fromWireError(error, this.place);
  }

  /** What the peer sent cannot be; to be thrown. */
  wrong(what: string, details: Readonly<Record<string, unknown>> = {}): CodedError {
    return new CodedError('bad-message', `${this.place} sent ${what}`, { ...details, place: this.place });
  }

  /** Breaks off all calls and closes the connection. */
  [Symbol.dispose](): void {
    this.#sessions.close();
  }
}

/** HOST:PORT as a URL; throws `bad-argument`. */
function urlOf(place: string, encrypted: boolean): string {
  const url = `${encrypted ? 'https' : 'http'}://${place}`;
  if (!/^(\[[\da-f:.%]+\]|[^\s:/?#[\]@]+):\d{1,5}$/i.test(place) || !URL.canParse(url)) {
    throw new CodedError('bad-argument', `a peer is HOST:PORT, not ${JSON.stringify(place)}`, {
      field: 'place',
      value: place,
    });
  }
  return new URL(url).origin;
}

/** Connections as the transport wants them, a new one whenever the certificates changed. */
class ReloadingSessions {
  readonly authority: string;
  readonly #tls: TlsFiles | undefined;
  readonly #widened = new WeakSet<ClientHttp2Session>();
  #material: TlsMaterial | null = null;
  #current: Http2SessionManager | null = null;

  constructor(authority: string, tls: TlsFiles | undefined) {
    this.authority = authority;
    this.#tls = tls;
  }

  async request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: object,
  ): Promise<ClientHttp2Stream> {
    const stream = await this.#manager().request(method, path, headers, options);
    const { session } = stream;
    if (
      session !== undefined &&
      'setLocalWindowSize' in session &&
      !this.#widened.has(session as ClientHttp2Session)
    ) {
      this.#widened.add(session as ClientHttp2Session);
      (session as ClientHttp2Session).setLocalWindowSize(sessionWindowBytes);
    }
    return stream;
  }

  notifyResponseByteRead(stream: ClientHttp2Stream): void {
    this.#current?.notifyResponseByteRead(stream);
  }

  close(): void {
    this.#current?.abort();
    this.#current = null;
  }

  // The connection before goes on with its calls and closes when it is idle.
  #manager(): Http2SessionManager {
    const material = this.#tls?.load() ?? null;
    if (this.#current !== null && material === this.#material) return this.#current;
    this.#material = material;
    this.#current = new Http2SessionManager(
      this.authority,
      { pingIntervalMs, pingTimeoutMs, idleConnectionTimeoutMs: connectionIdleMs },
      {
        maxSessionMemory: sessionMemoryMb,
        settings: { initialWindowSize: streamWindowBytes, enablePush: false },
        ...material,
      },
    );
    return this.#current;
  }
}
