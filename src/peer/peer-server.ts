/**
 * Offers this replica's shard copies to its peers: gRPC over HTTP/2. Owns the listening socket, the
 * connections and the leases of pinned views; what each call does is in the files named serve-…. A connection or
 * call that misbehaves ends alone.
 */
import { createServer, createSecureServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { raceSignal } from '../lib/race-signal.ts';
import { createRequestHandler } from './route-calls.ts';
import type { ServedCallEvent } from './served-call.ts';
import type { ShardProvider } from './shard-provider.ts';
import { certificateNames, type TlsFiles, type TlsMaterial } from './tls.ts';
import { ViewLeases } from './view-leases.ts';
import {
  callsPerSessionMax,
  defaultWireDeadlines,
  defaultWireLimits,
  sessionMemoryMb,
  sessionsMax,
  sessionWindowBytes,
  streamWindowBytes,
  type WireDeadlines,
  type WireLimits,
} from './wire-limits.ts';

export interface PeerServerOptions {
  readonly provider: ShardProvider;
  readonly clock: Clock;
  /** Server certificate and key; with a `caPath`, peers must show a certificate signed by it (mTLS). */
  readonly tls?: TlsFiles;
  /** Names of the peers that may call, looked up in their certificates; needs mTLS. Without, all that it signed. */
  readonly allowedPeers?: readonly string[];
  /** Listen on other than loopback addresses without TLS. */
  readonly insecureListen?: boolean;
  readonly limits?: Partial<WireLimits>;
  readonly deadlines?: Partial<WireDeadlines>;
  /** Accept and send compressed messages where the peer wants them; off by default. */
  readonly compression?: boolean;
  /** Told of every call when it has ended. */
  readonly onCall?: (event: ServedCallEvent) => void;
}

export interface ListenAddress {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

/** Open streams are given this long to end when the server closes. */
const closeGraceMs = 2_000;

/** A connection without a call for this long is closed; a client opens another when it needs one. */
const sessionIdleMs = 2 * 60_000;

export class PeerServer implements AsyncDisposable {
  readonly #options: PeerServerOptions;
  readonly #leases: ViewLeases;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #names = new WeakMap<ServerHttp2Session, readonly string[]>();
  #server: Http2Server | null = null;
  #serving = true;

  constructor(options: PeerServerOptions) {
    this.#options = options;
    this.#leases = new ViewLeases(options.clock);
  }

  /** Whether health checks say that it serves; false while it drains. */
  get serving(): boolean {
    return this.#serving;
  }

  set serving(serving: boolean) {
    this.#serving = serving;
  }

  /** Begins to listen and tells where. Throws `bad-settings` for what is not safe, `io` where the system refuses. */
  async listen({ host, port }: ListenAddress): Promise<ListenAddress> {
    const { tls, insecureListen = false, allowedPeers } = this.#options;
    if (tls === undefined && !insecureListen && !isLoopback(host)) {
      const message =
        `without TLS only loopback addresses are listened on, not ${host}: give a certificate and key, ` +
        'or say that listening without them is wanted';
      throw new CodedError('bad-settings', message, { field: 'listen', value: host });
    }
    if (allowedPeers !== undefined && tls?.paths.caPath === undefined) {
      const message = 'a list of allowed peers needs the certificate authority that signs their certificates';
      throw new CodedError('bad-settings', message, { field: 'allowedPeers' });
    }
    const server = tls === undefined ? this.#plain() : this.#secure(tls, tls.load());
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

  /** Stops listening, lets open calls end for a moment, then breaks them off. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#serving = false;
    const server = this.#server;
    this.#server = null;
    if (server !== null) {
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
    await this.#leases[Symbol.asyncDispose]();
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
    let used = first;
    // Before the handshake of a new connection: it already shows a certificate that changed.
    server.prependListener('connection', () => {
      const material = tls.load();
      if (material === used) return;
      used = material;
      server.setSecureContext(material);
    });
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#prepare(server);
    return server;
  }

  #prepare(server: Http2Server): void {
    const { limits, deadlines, onCall, clock, provider, compression = false } = this.#options;
    server.maxConnections = sessionsMax;
    server.on('session', (session) => this.#adopt(session));
    server.on('sessionError', () => undefined);
    server.on(
      'request',
      createRequestHandler({
        call: {
          clock,
          limits: { ...defaultWireLimits, ...limits },
          deadlines: { ...defaultWireDeadlines, ...deadlines },
          onCall,
        },
        provider,
        leases: this.#leases,
        compression,
        isServing: () => this.#serving,
        peerName: (session) => this.#admit(session),
      }),
    );
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

  /** The name of who calls; throws `refused` for one that may not. */
  #admit(session: ServerHttp2Session | undefined): string | null {
    const names = (session && this.#names.get(session)) ?? [];
    const { allowedPeers } = this.#options;
    if (allowedPeers === undefined) return names[0] ?? null;
    const allowed = names.find((name) => allowedPeers.includes(name));
    if (allowed !== undefined) return allowed;
    const message = `the certificate names ${names.join(', ') || 'nobody'}, who is not among the allowed peers`;
    throw new CodedError('refused', message, { names });
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

/** Whether only this machine can reach an address. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
