/**
 * How the calls of a connection travel: over HTTP/2, unless whoever opens the connection brings another way, which has
 * to carry gRPC.
 */
import type { Transport } from '@connectrpc/connect';
import { compressionGzip, createGrpcTransport } from '@connectrpc/connect-node';
import { parseAddress } from '../lib/address.ts';
import { CodedError } from '../lib/coded-error.ts';
import { PeerSessions } from './peer-sessions.ts';
import type { TlsFiles } from './tls.ts';
import type { WireLimits } from './wire-limits.ts';

export interface PeerTransport extends Disposable {
  readonly calls: Transport;
  /** Called when nothing comes over it any more: the next call is to take another connection. */
  renew(): void;
}

export interface PeerTransportOptions {
  /** Where the peer listens, HOST:PORT. */
  readonly address: string;
  readonly tls: TlsFiles | undefined;
  readonly limits: WireLimits;
  /** Send and accept compressed messages. */
  readonly compression: boolean;
}

export type OpenTransport = (options: PeerTransportOptions) => PeerTransport;

/** Throws `bad-argument` for what is no address; connects when the first call is made. */
export function openHttp2({ address, tls, limits, compression }: PeerTransportOptions): PeerTransport {
  const baseUrl = urlOf(address, tls !== undefined);
  const sessions = new PeerSessions(baseUrl, tls);
  return {
    calls: createGrpcTransport({
      baseUrl,
      sessionManager: sessions,
      readMaxBytes: limits.acceptBytesMax,
      writeMaxBytes: limits.sendBytesMax,
      acceptCompression: compression ? [compressionGzip] : [],
      ...(compression && { sendCompression: compressionGzip }),
      binaryOptions: { readUnknownFields: false },
    }),
    renew: () => sessions.renew(),
    [Symbol.dispose]: () => sessions.close(),
  };
}

/** HOST:PORT as a URL; throws `bad-argument`. */
function urlOf(place: string, encrypted: boolean): string {
  const url = `${encrypted ? 'https' : 'http'}://${place}`;
  if (typeof parseAddress(place) === 'string' || !URL.canParse(url)) {
    throw new CodedError('bad-argument', `a peer is HOST:PORT, not ${JSON.stringify(place)}`, {
      field: 'place',
      value: place,
    });
  }
  return new URL(url).origin;
}
