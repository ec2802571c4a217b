/** From an HTTP/2 request to the served call: which call, may it, is there room. */
import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { type ContextValues, createContextValues } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import { CodedError } from '../lib/coded-error.ts';
import type { CallRoutes } from './serve-calls.ts';
import { type CallOrigin, callOriginKey } from './served-call.ts';

export interface RouteOptions {
  readonly handlers: CallRoutes;
  /** Calls that are worked on at once; further ones hear `busy`. */
  readonly callsMax: number;
  /** Name of who makes a request; throws `refused` for one that may not. */
  readonly callerOf: (request: Http2ServerRequest) => string | null;
}

export type RequestHandler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

export function createRequestHandler(options: RouteOptions): RequestHandler {
  const handlers = new Map(options.handlers.map((handler) => [handler.requestPath, handler]));
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
    const values = originOf(request, options, calls > options.callsMax);
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
    origin.peer = options.callerOf(request);
    const { callsMax: ceiling } = options;
    if (tooMany) throw new CodedError('busy', `${ceiling} calls are being served; try again`, { ceiling });
  } catch (error) {
    origin.refusal = CodedError.from(error);
  }
  return createContextValues().set(callOriginKey, origin);
}
