/** From an HTTP/2 request to the served call: which call, may it, is there room; each with its own ceiling. */
import {
  constants,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { create } from '@bufbuild/protobuf';
import { type ContextValues, createConnectRouter, createContextValues } from '@connectrpc/connect';
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import { CodedError } from '../lib/coded-error.ts';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
} from './generated/grpc/health/v1/health_pb.ts';
import { ShardService } from './generated/tallystick/v1/shard_pb.ts';
import { serveBuild } from './serve-build.ts';
import { serveApply, serveFetch } from './serve-values.ts';
import { serveLeaves, serveListShards, serveSlots } from './serve-views.ts';
import { type CallOrigin, callOriginKey, ServedCall, type ServedCallOptions } from './served-call.ts';
import type { ShardProvider } from './shard-provider.ts';
import type { ViewLeases } from './view-leases.ts';
import { callsMax, fetchKeysMax, keyBytesMax } from './wire-limits.ts';

export interface RouteOptions {
  readonly call: ServedCallOptions;
  readonly provider: ShardProvider;
  readonly leases: ViewLeases;
  readonly compression: boolean;
  readonly isServing: () => boolean;
  /** Name of who calls over a connection; throws `refused` for one that may not. */
  readonly peerName: (session: ServerHttp2Session | undefined) => string | null;
}

type RequestHandler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/** Largest request that only names things. */
const namesBytesMax = 4 * 1024;

/** Slot numbers of a whole tree. */
const leavesRequestBytesMax = 512 * 1024;

const fetchRequestBytesMax = fetchKeysMax * (keyBytesMax + 8);

const buildRequestBytesMax = 1024 * 1024;

export function createRequestHandler(options: RouteOptions): RequestHandler {
  const handlers = new Map(createRoutes(options).map((handler) => [handler.requestPath, handler]));
  let calls = 0;
  return (request, response) => {
    const handler = handlers.get(request.url.split('?', 1)[0] ?? '');
    if (handler === undefined) {
      // As gRPC has it for a call that is not known.
      response.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': '12' });
      response.end();
      return;
    }
    calls++;
    request.stream.once('close', () => calls--);
    request.stream.on('error', () => request.stream.close(constants.NGHTTP2_CANCEL));
    const values = originOf(request, options, calls > callsMax);
    handler(universalRequestFromNodeRequest(request, response, undefined, values))
      .then((answer) => universalResponseToNodeResponse(answer, response))
      // The call itself has told what went wrong; here only its stream is left to end.
      .catch(() => request.stream.close(constants.NGHTTP2_CANCEL));
  };
}

function originOf(request: Http2ServerRequest, options: RouteOptions, tooMany: boolean): ContextValues {
  const breakOff = (): void => request.stream.close(constants.NGHTTP2_CANCEL);
  const origin: { -readonly [Key in keyof CallOrigin]: CallOrigin[Key] } = {
    peer: null,
    breakOff,
    refusal: null,
  };
  try {
    origin.peer = options.peerName(request.stream.session as ServerHttp2Session | undefined);
    if (tooMany)
      throw new CodedError('busy', `${callsMax} calls are being served; try again`, { ceiling: callsMax });
  } catch (error) {
    origin.refusal = CodedError.from(error);
  }
  return createContextValues().set(callOriginKey, origin);
}

function createRoutes(options: RouteOptions) {
  const { provider, leases, compression, isServing } = options;
  const { acceptBytesMax, sendBytesMax } = options.call.limits;
  const router = createConnectRouter({
    grpc: true,
    grpcWeb: false,
    connect: false,
    acceptCompression: compression ? [compressionGzip] : [],
    readMaxBytes: acceptBytesMax,
    writeMaxBytes: sendBytesMax,
    // Unknown members come from later versions: they are ignored, not kept.
    binaryOptions: { readUnknownFields: false },
  });
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
  router.rpc(
    Health.method.check,
    async ({ service }, context) => {
      const call = new ServedCall(context, options.call);
      return await call.answer(async () => {
        const known = service === '' || service === ShardService.typeName;
        if (!known) throw new CodedError('not-found', `there is no service ${service.slice(0, 200)}`);
        return create(HealthCheckResponseSchema, {
          status: isServing() ? Status.SERVING : Status.NOT_SERVING,
        });
      });
    },
    upTo(namesBytesMax),
  );
  return router.handlers;
}
