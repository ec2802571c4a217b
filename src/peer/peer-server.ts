/**
 * Offers this replica's shard copies to its peers: gRPC over HTTP/2. Owns who may call and the leases of pinned
 * views; the connections are grpc-listener.ts's, and what each call does is in the files named serve-….
 */
import type { Http2ServerRequest } from 'node:http2';
import { type Address, isLoopback } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { GrpcListener } from './grpc-listener.ts';
import { createRequestHandler } from './route-calls.ts';
import { createRoutes } from './serve-calls.ts';
import type { ServedCallEvent } from './served-call.ts';
import type { ShardProvider } from './shard-provider.ts';
import type { TlsFiles } from './tls.ts';
import { ViewLeases } from './view-leases.ts';
import {
  callsMax,
  defaultWireDeadlines,
  defaultWireLimits,
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

export class PeerServer implements AsyncDisposable {
  readonly #options: PeerServerOptions;
  readonly #leases: ViewLeases;
  readonly #listener: GrpcListener;
  #serving = true;

  constructor(options: PeerServerOptions) {
    this.#options = options;
    this.#leases = new ViewLeases(options.clock);
    const { clock, tls, provider, limits, deadlines, onCall, compression = false } = options;
    const handlers = createRoutes({
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
    });
    this.#listener = new GrpcListener({
      clock,
      tls: tls ?? null,
      onRequest: createRequestHandler({
        handlers,
        callsMax,
        callerOf: (request) => this.#admit(request),
      }),
    });
  }

  /** Whether health checks say that it serves; false while it drains. */
  get serving(): boolean {
    return this.#serving;
  }

  set serving(serving: boolean) {
    this.#serving = serving;
  }

  /** Begins to listen and tells where. Throws `bad-settings` for what is not safe, `io` where the system refuses. */
  async listen(address: Address): Promise<Address> {
    const { host } = address;
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
    return await this.#listener.listen(address);
  }

  /** Stops listening, lets open calls end for a moment, then breaks them off. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#serving = false;
    await this.#listener[Symbol.asyncDispose]();
    await this.#leases[Symbol.asyncDispose]();
  }

  /** The name of who calls; throws `refused` for one that may not. */
  #admit(request: Http2ServerRequest): string | null {
    const names = this.#listener.namesOf(request);
    const { allowedPeers } = this.#options;
    if (allowedPeers === undefined) return names[0] ?? null;
    const allowed = names.find((name) => allowedPeers.includes(name));
    if (allowed !== undefined) return allowed;
    const message = `the certificate names ${names.join(', ') || 'nobody'}, who is not among the allowed peers`;
    throw new CodedError('refused', message, { names });
  }
}
