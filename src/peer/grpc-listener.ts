/**
 * Listens for gRPC over HTTP/2. Owns the socket, its connections and what their certificates say; what is asked over
 * them is the request handler's. A connection that misbehaves ends alone.
 */
import {
  createServer,
  createSecureServer,
  type Http2Server,
  type Http2ServerRequest,
  type ServerHttp2Session,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Address } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { raceSignal } from '../lib/race-signal.ts';
import type { RequestHandler } from './route-calls.ts';
import { certificateNames, followCertificates, type TlsFiles, type TlsMaterial } from './tls.ts';
import {
  callsPerSessionMax,
  sessionMemoryMb,
  sessionsMax,
  sessionWindowBytes,
  streamWindowBytes,
} from './wire-limits.ts';

export interface GrpcListenerOptions {
  readonly clock: Clock;
  /** Server certificate and key; with a `caPath`, callers must show a certificate signed by it. */
  readonly tls: TlsFiles | null;
  readonly onRequest: RequestHandler;
}

/** Open streams are given this long to end when the listener closes. */
const closeGraceMs = 2_000;

/** A connection without a call for this long is closed; a client opens another when it needs one. */
const sessionIdleMs = 2 * 60_000;

export class GrpcListener implements AsyncDisposable {
  readonly #options: GrpcListenerOptions;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #names = new WeakMap<ServerHttp2Session, readonly string[]>();
  #server: Http2Server | null = null;

  constructor(options: GrpcListenerOptions) {
    this.#options = options;
  }

  /** Begins to listen and tells where. Throws `io` where the system refuses. */
  async listen({ host, port }: Address): Promise<Address> {
    const { tls } = this.#options;
    const server = tls === null ? this.#plain() : this.#secure(tls, tls.load());
    this.#server = server;
    const listening = Promise.withResolvers<void>();
    server.once('error', listening.reject);
    server.listen({ host, port }, listening.resolve);
    try {
      await listening.promise;
    } catch (error) {
      throw CodedError.from(error);
    }
    server.off('error', listening.reject);
    const address = server.address() as AddressInfo;
    return { host, port: address.port };
  }

  /** Names in the certificate that whoever makes the request has shown; none without mutual TLS. */
  namesOf({ stream }: Http2ServerRequest): readonly string[] {
    const { session } = stream;
    return (session && this.#names.get(session as ServerHttp2Session)) ?? [];
  }

  /** Stops listening, lets open calls end for a moment, then breaks them off. */
  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    for (const session of this.#sessions) session.close();
    const grace = new AbortController();
    const end = this.#options.clock.sleep(closeGraceMs, grace.signal).then(
      () => {
        for (const session of this.#sessions) session.destroy();
      },
      // All ended by themselves.
      () => undefined,
    );
    await raceSignal(closed.promise);
    grace.abort();
    await end;
  }

  #plain(): Http2Server {
    const server = createServer(http2Options);
    this.#prepare(server);
    return server;
  }

  #secure(tls: TlsFiles, first: TlsMaterial): Http2Server {
    const mutual = tls.paths.caPath !== undefined;
    const server = createSecureServer({
      ...http2Options,
      ...first,
      allowHTTP1: false,
      requestCert: mutual,
      rejectUnauthorized: mutual,
      minVersion: 'TLSv1.2',
    });
    followCertificates(server, tls, first);
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#prepare(server);
    return server;
  }

  #prepare(server: Http2Server): void {
    server.maxConnections = sessionsMax;
    server.on('session', (session) => this.#adopt(session));
    server.on('sessionError', () => undefined);
    server.on('request', this.#options.onRequest);
  }

  #adopt(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.setLocalWindowSize(sessionWindowBytes);
    if (session.encrypted) {
      const certificate = (session.socket as TLSSocket).getPeerCertificate();
      this.#names.set(session, certificateNames(certificate));
    }
    session.setTimeout(sessionIdleMs, () => session.close());
    session.once('close', () => this.#sessions.delete(session));
    // A broken connection ends its calls, each of which tells; there is nobody else to tell.
    session.on('error', () => session.destroy());
  }
}

const http2Options = {
  maxSessionMemory: sessionMemoryMb,
  settings: {
    initialWindowSize: streamWindowBytes,
    maxConcurrentStreams: callsPerSessionMax,
    enablePush: false,
  },
};
