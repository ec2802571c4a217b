/**
 * Offers the store to applications: BanyanDB's PropertyService over gRPC. It listens on an address of its own, apart
 * from that of the peers, since the two are let in by different rules: a peer by its certificate and the list of
 * allowed peers, an application by a token and its role, or a certificate of its own authority. So no application
 * reaches ShardService because PropertyService is open to it, and no list of peers grows for the sake of one.
 */
import type { Http2ServerRequest } from 'node:http2';
import { create } from '@bufbuild/protobuf';
import {
  ApplyResponseSchema,
  DeleteResponseSchema,
  PropertyService,
  QueryResponseSchema,
} from '../banyandb/generated/banyandb/property/v1/rpc_pb.ts';
import type { Address } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { GrpcListener } from '../peer/grpc-listener.ts';
import { createRequestHandler } from '../peer/route-calls.ts';
import { type CallRoutes, createRouter, serveHealth } from '../peer/serve-calls.ts';
import { ServedCall, type ServedCallEvent, type ServedCallOptions } from '../peer/served-call.ts';
import type { TlsFiles } from '../peer/tls.ts';
import { defaultWireDeadlines, defaultWireLimits } from '../peer/wire-limits.ts';
import { propertyBytesMax } from '../property/protobuf-size.ts';
import type { PropertyStore } from './property-store.ts';
import { answerBytesMax } from './query-shards.ts';
import { answerMessage, readQuery, readWrite } from './store-messages.ts';

/** What of a call decides who makes it; header values as they came. */
export interface CallCredentials {
  readonly authorization: string | undefined;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** Name in the certificate that was shown and checked; null for none. */
  readonly certificateName: string | null;
}

export interface PropertyServerOptions {
  readonly store: PropertyStore;
  readonly clock: Clock;
  readonly tls: TlsFiles | null;
  /** Name of who calls; throws `refused` for nobody known, and for one that may not write where `writes`. */
  readonly admit: (credentials: CallCredentials, writes: boolean) => string;
  /** Told of every call when it has ended. */
  readonly onCall: (event: ServedCallEvent) => void;
}

/** Bytes of a request: what is above the ceiling of a property is still read, to be refused by name. */
const requestBytesMax = 4 * propertyBytesMax;

/** Bytes of an answer: its properties, and what is around them. */
const responseBytesMax = answerBytesMax + propertyBytesMax;

/** Calls that are worked on at once: many small writes share a transaction, so many may wait for one. */
const callsMax = 1_024;

const queryPath = `/${PropertyService.typeName}/${PropertyService.method.query.name}`;
const healthPath = '/grpc.health.v1.Health/Check';

export class PropertyServer implements AsyncDisposable {
  readonly #options: PropertyServerOptions;
  readonly #listener: GrpcListener;
  #serving = true;

  constructor(options: PropertyServerOptions) {
    this.#options = options;
    const { clock, tls } = options;
    this.#listener = new GrpcListener({
      clock,
      tls,
      onRequest: createRequestHandler({
        handlers: this.#routes(),
        callsMax,
        callerOf: (request) => this.#admit(request),
      }),
    });
  }

  /** Begins to listen and tells where. Throws `io`. */
  listen(address: Address): Promise<Address> {
    return this.#listener.listen(address);
  }

  /** Stops listening, lets open calls end for a moment, then breaks them off. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#serving = false;
    await this.#listener[Symbol.asyncDispose]();
  }

  #admit(request: Http2ServerRequest): string | null {
    const path = request.url.split('?', 1)[0];
    // Probes have no tokens.
    if (path === healthPath) return null;
    const { authorization, origin } = request.headers;
    const [certificateName = null] = this.#listener.namesOf(request);
    return this.#options.admit(
      { authorization, host: request.authority, origin, certificateName },
      path !== queryPath,
    );
  }

  #routes(): CallRoutes {
    const { store, clock, onCall } = this.#options;
    const limits = { ...defaultWireLimits, acceptBytesMax: requestBytesMax, sendBytesMax: responseBytesMax };
    const options: ServedCallOptions = { clock, limits, deadlines: defaultWireDeadlines, onCall };
    const router = createRouter(limits, false);
    const { method } = PropertyService;
    router.rpc(method.apply, async (request, context) => {
      const call = new ServedCall(context, options);
      return await call.answer(async () => {
        const { created, tags } = await store.apply(readWrite(request), call.signal);
        return create(ApplyResponseSchema, { created, tagsNum: tags });
      });
    });
    router.rpc(method.delete, async ({ group, name, id }, context) => {
      const call = new ServedCall(context, options);
      return await call.answer(async () =>
        create(DeleteResponseSchema, { deleted: await store.delete({ group, name, id }, call.signal) }),
      );
    });
    router.rpc(method.query, async (request, context) => {
      const call = new ServedCall(context, options);
      return await call.answer(async () => {
        const answer = await store.query(readQuery(request), call.signal);
        return create(QueryResponseSchema, answerMessage(answer, request));
      });
    });
    serveHealth(router, { call: options, service: PropertyService.typeName, isServing: () => this.#serving });
    return router.handlers;
  }
}
