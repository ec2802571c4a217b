/** The web framework with our schemas as its types, its ceilings, and problem documents for what it refuses itself. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { problemOf, problemType, requestError } from './problem.ts';

/** Bytes of a request's body: an order is small. */
const bodyBytesMax = 64 * 1024;

/** A request that has not arrived whole by then is given up. */
const requestTimeoutMs = 30_000;

/** The application with our schemas as its types. */
export type App = ReturnType<typeof createApp>;

/** The application, not yet listening; `https` null for plain HTTP. */
export function createApp(https: object | null) {
  const options = {
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: 'idle' as const,
    exposeHeadRoutes: false,
    // Programs that know BanyanDB's gateway ask below /api, where it lies.
    rewriteUrl: ({ url = '/' }: { url?: string | undefined }) =>
      url.replace(/^\/api(?=\/v1\/property\/data\/)/, ''),
    clientErrorHandler: answerBroken,
    frameworkErrors: refuse,
  };
  // Both kinds of server are the same to routes; the types tell them apart.
  const app =
    https === null
      ? fastify(options)
      : (fastify({ ...options, https }) as unknown as ReturnType<typeof plain>);
  return app.withTypeProvider<ZodTypeProvider>();
}

/** Answers bytes that are no request, and ends their connection. */
function answerBroken(error: Error & { readonly code?: string }, socket: Socket): void {
  const statuses: Record<string, number> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 };
  const status = statuses[error.code ?? ''] ?? 400;
  const body = JSON.stringify(
    problemOf(requestError(status, `this is no request: ${error.message}`), status),
  );
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: ${problemType}\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}

/** Answers a request whose address cannot be a route's. */
function refuse(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  const status = error.statusCode ?? 400;
  const problem = problemOf(requestError(status, error.message), status);
  void reply.code(status).type(problemType).serializer(JSON.stringify).send(problem);
}

function plain() {
  return fastify();
}
