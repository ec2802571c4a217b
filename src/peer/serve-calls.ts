/** The calls that are served, each with its own ceiling on what it is sent; whatever carries gRPC may bring them here. */
import { create } from '@bufbuild/protobuf';
import { type ConnectRouter, createConnectRouter } from '@connectrpc/connect';
import { compressionGzip } from '@connectrpc/connect-node';
import { CodedError } from '../lib/coded-error.ts';
import { keyBytesMax } from '../property/entity.ts';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
} from './generated/grpc/health/v1/health_pb.ts';
import { ShardService } from './generated/tallystick/v1/shard_pb.ts';
import { serveBuild } from './serve-build.ts';
import { serveApply, serveFetch } from './serve-values.ts';
import { serveLeaves, serveListShards, serveSlots } from './serve-views.ts';
import { ServedCall, type ServedCallOptions } from './served-call.ts';
import type { ShardProvider } from './shard-provider.ts';
import type { ViewLeases } from './view-leases.ts';
import { fetchKeysMax, type WireLimits } from './wire-limits.ts';

export interface ServeOptions {
  readonly call: ServedCallOptions;
  readonly provider: ShardProvider;
  readonly leases: ViewLeases;
  readonly compression: boolean;
  readonly isServing: () => boolean;
}

export interface HealthOptions {
  readonly call: ServedCallOptions;
  readonly service: string;
  readonly isServing: () => boolean;
}

/** Largest request that only names things. */
const namesBytesMax = 4 * 1024;

/** Slot numbers of a whole tree. */
const leavesRequestBytesMax = 512 * 1024;

const fetchRequestBytesMax = fetchKeysMax * (keyBytesMax + 8);

const buildRequestBytesMax = 1024 * 1024;

/** One function a call; its context values tell who makes the call and how it is broken off. */
export function createRoutes(options: ServeOptions) {
  const { provider, leases, compression, isServing } = options;
  const router = createRouter(options.call.limits, compression);
  const { acceptBytesMax } = options.call.limits;
  const { method } = ShardService;
  const upTo = (bytes: number) => ({ readMaxBytes: Math.min(bytes, acceptBytesMax) });
  router.rpc(
    method.listShards,
    async (request, context) => {
      const call = new ServedCall(context, options.call);
      return await call.answer(() => serveListShards(request, call, provider));
    },
    upTo(namesBytesMax),
  );
  router.rpc(
    method.slots,
    (request, context) => {
      const call = new ServedCall(context, options.call);
      return call.stream(serveSlots(request, call, { provider, leases }));
    },
    upTo(namesBytesMax),
  );
  router.rpc(
    method.leaves,
    (request, context) => {
      const call = new ServedCall(context, options.call);
      return call.stream(serveLeaves(request, call, leases));
    },
    upTo(leavesRequestBytesMax),
  );
  router.rpc(
    method.fetch,
    (requests, context) => {
      const call = new ServedCall(context, options.call);
      return call.stream(serveFetch(requests, call, provider));
    },
    upTo(fetchRequestBytesMax),
  );
  router.rpc(
    method.build,
    (request, context) => {
      const call = new ServedCall(context, options.call);
      return call.stream(serveBuild(request, call, provider));
    },
    upTo(buildRequestBytesMax),
  );
  router.rpc(method.apply, (requests, context) => {
    const call = new ServedCall(context, options.call);
    return call.stream(serveApply(requests, call, provider));
  });
  serveHealth(router, { call: options.call, service: ShardService.typeName, isServing });
  return router.handlers;
}

/** Calls by their paths. */
export type CallRoutes = ConnectRouter['handlers'];

/** What calls are added to; its messages have the ceilings given. */
export type CallRouter = ConnectRouter;

export function createRouter({ acceptBytesMax, sendBytesMax }: WireLimits, compression: boolean): CallRouter {
  return createConnectRouter({
    grpc: true,
    grpcWeb: false,
    connect: false,
    acceptCompression: compression ? [compressionGzip] : [],
    readMaxBytes: acceptBytesMax,
    writeMaxBytes: sendBytesMax,
    // Unknown members come from later versions: they are ignored, not kept.
    binaryOptions: { readUnknownFields: false },
  });
}

/** Adds the health check of a server that has one `service`. */
export function serveHealth(
  router: CallRouter,
  { call: options, service: known, isServing }: HealthOptions,
): void {
  router.rpc(
    Health.method.check,
    async ({ service }, context) => {
      const call = new ServedCall(context, options);
      return await call.answer(async () => {
        if (service !== '' && service !== known)
          throw new CodedError('not-found', `there is no service ${service.slice(0, 200)}`);
        return create(HealthCheckResponseSchema, {
          status: isServing() ? Status.SERVING : Status.NOT_SERVING,
        });
      });
    },
    { readMaxBytes: namesBytesMax },
  );
}
