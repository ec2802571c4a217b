/** The web framework with our schemas as its types, and its ceilings. */
import fastify from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';

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
  };
  // Both kinds of server are the same to routes; the types tell them apart.
  const app =
    https === null
      ? fastify(options)
      : (fastify({ ...options, https }) as unknown as ReturnType<typeof plain>);
  return app.withTypeProvider<ZodTypeProvider>();
}

function plain() {
  return fastify();
}
