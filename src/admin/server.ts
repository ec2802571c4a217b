/**
 * The admin endpoint: HTTP with JSON for people, scripts and probes, on a port of its own. Owns the socket, who
 * may call, the form of errors and the description of itself; what is asked is done by the service behind it.
 */
import type { AddressInfo } from 'node:net';
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import swagger from '@fastify/swagger';
import type { FastifyError, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { IdleTimer } from '../lib/idle-timer.ts';
import { certificateNames, followCertificates, type TlsFiles } from '../peer/tls.ts';
import { Unauthenticated } from '../peer/wire-error.ts';
import type { PropertyStore } from '../property-store/property-store.ts';
import { type App, createApp } from './app.ts';
import { type Access, type Caller, checkEndpoint, checkRole, type Role } from './access.ts';
import { EventStreams } from './event-stream.ts';
import type { Operations } from './operations.ts';
import { problemCatalogue, problemOf, problemType, requestError } from './problem.ts';
import { addPropertyData } from './property-data-routes.ts';
import { problemResource } from './resources.ts';
import { addRoutes } from './routes.ts';

export interface AdminServerOptions {
  readonly clock: Clock;
  readonly operations: Operations;
  /** What applications write to and read from. */
  readonly store: PropertyStore;
  readonly access: Access;
  readonly version: string;
  /** Listen on other than loopback addresses without TLS. */
  readonly insecureListen: boolean;
  /** Certificate and key; with a `caPath` callers must show a certificate signed by it. */
  readonly tls: TlsFiles | null;
}

/** Requests under way are given this long to end when the endpoint closes. */
const closeGraceMs = 1_000;

/** What anybody may ask: probes have no tokens. */
const openPaths: readonly string[] = ['/livez', '/readyz'];

const description =
  'Watches and steers one Tallystick replica. Errors are problem documents (RFC 9457) with a `code`; /problems explains each. ' +
  'Looking takes the role viewer, writing properties the role writer, giving orders the role operator.';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call; without it looks take a viewer and everything else an operator. */
    role?: Role;
  }
}

export class AdminServer implements AsyncDisposable {
  readonly #options: AdminServerOptions;
  readonly #streams: EventStreams;
  readonly #callers = new WeakMap<FastifyRequest, Caller>();
  readonly #app;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    const { tls, clock } = options;
    this.#streams = new EventStreams(clock);
    if (tls === null) {
      this.#app = createApp(null);
      return;
    }
    const mutual = tls.paths.caPath !== undefined;
    const first = tls.load();
    this.#app = createApp({ ...first, requestCert: mutual, rejectUnauthorized: mutual });
    followCertificates(this.#app.server as unknown as TlsServer, tls, first);
  }

  /** Begins to listen and tells where. Throws `bad-settings` for what is not safe, `io`. */
  async listen({
    host,
    port,
  }: {
    readonly host: string;
    readonly port: number;
  }): Promise<{ host: string; port: number }> {
    const { access, tls, insecureListen: insecure } = this.#options;
    const mutual = tls?.paths.caPath !== undefined;
    checkEndpoint({ section: 'admin', host, encrypted: tls !== null, mutual, insecure }, access);
    await this.#prepare();
    await this.#app.listen({ host, port }).catch((error: unknown) => {
      throw CodedError.from(error);
    });
    return { host, port: (this.#app.server.address() as AddressInfo).port };
  }

  async #prepare(): Promise<void> {
    const app = this.#app;
    const { clock, operations, store, version } = this.#options;
    app.setValidatorCompiler(validatorCompiler);
    app.setSerializerCompiler(serializerCompiler);
    app.setErrorHandler((error, request, reply) => this.#sendError(error as FastifyError, request, reply));
    app.setNotFoundHandler((request, reply) =>
      sendProblem(reply, requestError(404, `there is no ${request.method} ${request.url}`)),
    );
    app.addHook('onRoute', refuseUnknownQueries);
    app.addHook('onRequest', async (request) => this.#admit(request));
    app.addHook('onResponse', async (request, reply) => {
      operations.onRequest({
        method: request.method,
        route: request.routeOptions.url ?? 'none',
        status: reply.statusCode,
        tookMs: reply.elapsedTime,
        caller: this.#callers.get(request)?.name ?? null,
        order: roleWanted(request) === 'operator',
      });
    });
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title: 'Tallystick admin endpoint', version, description },
        components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
        security: [{ token: [] }],
      },
      transform: jsonSchemaTransform,
      transformObject: jsonSchemaTransformObject,
    });
    app.after(() => {
      addProbes(app, operations);
      addRoutes(app, { clock, operations, streams: this.#streams });
      addPropertyData(app, store);
    });
    await app.ready();
  }

  #admit(request: FastifyRequest): void {
    const path = request.url.split('?')[0] ?? '';
    if (openPaths.includes(path)) return;
    const { authorization, host, origin } = request.headers;
    const caller = this.#options.access.identify({
      authorization,
      host,
      origin,
      certificateName: certificateNameOf(request),
    });
    if (caller === null) throw new Unauthenticated();
    this.#callers.set(request, caller);
    checkRole(caller, roleWanted(request));
  }

  #sendError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    if (error instanceof Unauthenticated)
      return sendProblem(reply.header('www-authenticate', 'Bearer'), error, 401);
    if (hasZodFastifySchemaValidationErrors(error)) {
      const problems = error.validation.map(({ instancePath, message }) => ({
        // The framework calls the rest of a path `*`.
        field: instancePath.replace(/^\//, '').replaceAll('/', '.').replace(/^\*$/, 'id'),
        message,
      }));
      const [first] = problems;
      const where = partNames[error.validationContext ?? ''] ?? 'request';
      const message = `the ${where} is wrong: ${first?.field ?? ''} ${first?.message ?? ''}`.replace(
        '  ',
        ' ',
      );
      return sendProblem(
        reply,
        new CodedError('bad-argument', message, { field: first?.field ?? '', problems }),
      );
    }
    if (error instanceof CodedError) return sendProblem(reply, error);
    const status = error.statusCode ?? 500;
    if (status < 500) return sendProblem(reply, requestError(status, error.message), status);
    return sendProblem(
      reply,
      new CodedError('internal', `${request.method} ${request.url}: ${error.message}`),
    );
  }

  /** Takes no more requests, ends event streams, lets the rest end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#streams.close();
    const { server } = this.#app;
    const grace = new IdleTimer(this.#options.clock, closeGraceMs, () => server.closeAllConnections());
    grace.start();
    await this.#app.close();
    grace.stop();
  }
}

/** What the framework calls the parts of a request, in words. */
const partNames: Readonly<Record<string, string>> = {
  body: 'body',
  headers: 'header',
  params: 'path',
  querystring: 'query',
};

/**
 * A route that takes no query refuses one: an order with `?dryRun=true` would not be the dry run it was meant to be.
 * Applications write as they do to BanyanDB's gateway, which ignores what it does not know.
 */
function refuseUnknownQueries(route: RouteOptions): void {
  if (!route.url.startsWith('/v1/') || route.url.startsWith('/v1/property/data/')) return;
  route.schema = { querystring: z.strictObject({}), ...route.schema };
}

function roleWanted({ method, routeOptions }: FastifyRequest): Role {
  return routeOptions.config?.role ?? (method === 'GET' || method === 'HEAD' ? 'viewer' : 'operator');
}

function sendProblem(reply: FastifyReply, error: CodedError, status?: number): FastifyReply {
  const problem = problemOf(error, status);
  // Problems have no schema of their route: they are written as they are.
  return reply.code(problem.status).type(problemType).serializer(JSON.stringify).send(problem);
}

function certificateNameOf(request: FastifyRequest): string | null {
  const { socket } = request.raw;
  if (!('getPeerCertificate' in socket) || !(socket as TLSSocket).authorized) return null;
  return certificateNames((socket as TLSSocket).getPeerCertificate())[0] ?? 'certificate';
}

function addProbes(app: App, operations: Operations): void {
  const answer = z.object({ status: z.string() });
  app.get(
    '/livez',
    { schema: { summary: 'Whether the process answers', response: { 200: answer } } },
    async () => ({ status: 'live' }),
  );
  app.get(
    '/readyz',
    { schema: { summary: 'Whether it may receive work', response: { 200: answer, 503: problemResource } } },
    async (_, reply) => {
      const reason = operations.notReady();
      if (reason === null) return { status: 'ready' };
      return sendProblem(reply, new CodedError('busy', reason), 503) as never;
    },
  );
  app.get('/metrics', { schema: { summary: 'Metrics for Prometheus' } }, async (_, reply) => {
    await reply.type('text/plain; version=0.0.4; charset=utf-8').send(await operations.metrics());
  });
  const catalogue = z.array(
    z.object({ code: z.string(), title: z.string(), meaning: z.string(), status: z.int() }),
  );
  app.get(
    '/problems',
    { schema: { summary: 'Every code of an error', response: { 200: catalogue } } },
    async () => problemCatalogue(),
  );
  app.get(
    '/problems/:code',
    {
      schema: {
        summary: 'What a code means',
        params: z.object({ code: z.string() }),
        response: { 200: catalogue.element },
      },
    },
    async ({ params }) => {
      const found = problemCatalogue().find(({ code }) => code === params.code);
      if (found === undefined) throw new CodedError('not-found', `there is no code ${params.code}`);
      return found;
    },
  );
  app.get('/openapi.json', { schema: { hide: true } }, async (_, reply) => {
    await reply.type('application/json').send(describe(app));
  });
}

// The framework calls the rest of a path `*`.
function describe(app: App): string {
  return JSON.stringify(app.swagger()).replaceAll('{*}', '{id}').replaceAll('"name":"*"', '"name":"id"');
}
