/**
 * HTTP/2 connections to one peer, as the gRPC transport asks for them: one that is opened when a call needs it and
 * shared by all, and another as soon as that one ended, is doubted, or its certificates changed.
 *
 * NOTE: the library's own manager leaves a connection without an error listener once it failed to open, so
 * that a peer that answers with noise would end the process; here every connection has one for its whole life.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { TlsFiles, TlsMaterial } from './tls.ts';
import { sessionMemoryMb, sessionWindowBytes, streamWindowBytes } from './wire-limits.ts';

/** A connection without traffic is closed after this long; below a server's 2 minutes. */
const connectionIdleMs = 90_000;

/** Silence after which a connection that is being opened is given up. */
const openingMs = 20_000;

export class PeerSessions {
  /** URL origin that is connected to. */
  readonly authority: string;
  readonly #tls: TlsFiles | undefined;
  readonly #open = new Set<ClientHttp2Session>();
  readonly #openingTls = new Set<TLSSocket>();
  #material: TlsMaterial | null = null;
  #current: Promise<ClientHttp2Session> | null = null;
  #closed = false;

  constructor(authority: string, tls: TlsFiles | undefined) {
    this.authority = authority;
    this.#tls = tls;
  }

  async request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: Omit<ClientSessionRequestOptions, 'signal'>,
  ): Promise<ClientHttp2Stream> {
    const session = await this.#usable();
    return session.request({ ...headers, ':method': method, ':path': path }, options);
  }

  /** Part of what the transport expects; whether a peer is alive shows in the waits of its calls. */
  notifyResponseByteRead(): void {}

  /** Has the next call open another connection; calls on this one go on. */
  renew(): void {
    const before = this.#current;
    this.#current = null;
    before?.then(
      (session) => session.close(),
      // It never opened.
      () => undefined,
    );
  }

  /** Breaks off all calls and closes all connections, for good. */
  close(): void {
    this.#closed = true;
    this.#current = null;
    for (const session of this.#open) session.destroy();
    for (const socket of this.#openingTls) socket.destroy();
  }

  async #usable(): Promise<ClientHttp2Session> {
    const material = this.#tls?.load() ?? null;
    if (material !== this.#material) this.renew();
    this.#material = material;
    // Ends: a connection that is found ended is no longer the current one the next time.
    for (;;) {
      const connecting = this.#current ?? this.#connect(material);
      this.#current = connecting;
      const session = await connecting;
      if (!session.closed && !session.destroyed) return session;
      if (this.#current === connecting) this.#current = null;
    }
  }

  #connect(material: TlsMaterial | null): Promise<ClientHttp2Session> {
    const connecting = this.#openSession(material);
    const ended = (): void => {
      if (this.#current === connecting) this.#current = null;
    };
    connecting.then(
      (session) => {
        session.once('close', ended);
        session.once('goaway', ended);
      },
      // Whoever waits for the connection hears why there is none.
      ended,
    );
    return connecting;
  }

  async #openSession(material: TlsMaterial | null): Promise<ClientHttp2Session> {
    const socket = material === null ? null : await this.#openTls(material);
    const opened = Promise.withResolvers<ClientHttp2Session>();
    const session = connect(this.authority, {
      maxSessionMemory: sessionMemoryMb,
      settings: { initialWindowSize: streamWindowBytes, enablePush: false },
      ...(socket !== null && { createConnection: () => socket }),
    });
    this.#open.add(session);
    let heard = false;
    session.setTimeout(openingMs);
    session.on('timeout', () => (heard ? session.close() : session.destroy()));
    session.on('error', (error) => opened.reject(error));
    // Not before the peer has said how many calls it takes at once: more would be refused, not kept waiting.
    session.once('remoteSettings', () => {
      session.setLocalWindowSize(sessionWindowBytes);
      heard = true;
      session.setTimeout(connectionIdleMs);
      opened.resolve(session);
    });
    session.once('close', () => {
      this.#open.delete(session);
      opened.reject(hungUp());
    });
    if (this.#closed) session.destroy();
    return await opened.promise;
  }

  // A server that does not accept the client's certificate says so after its client's part of the handshake is done,
  // and an HTTP/2 session does not hear it: so the first byte is awaited before there is one.
  async #openTls(material: TlsMaterial): Promise<TLSSocket> {
    const { hostname, port } = new URL(this.authority);
    const host = hostname.replace(/^\[|\]$/g, '');
    const socket = connectTls({
      ...material,
      host,
      port: Number(port || '443'),
      ALPNProtocols: ['h2'],
      ...(isIP(host) === 0 && { servername: host }),
    });
    this.#openingTls.add(socket);
    const heard = Promise.withResolvers<void>();
    socket.setTimeout(openingMs, () => socket.destroy());
    socket.once('readable', heard.resolve);
    socket.on('error', heard.reject);
    socket.once('close', () => heard.reject(hungUp()));
    if (this.#closed) socket.destroy();
    try {
      await heard.promise;
      if (socket.readableLength === 0) throw hungUp();
      socket.setTimeout(0);
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      this.#openingTls.delete(socket);
    }
  }
}

function hungUp(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' });
}
