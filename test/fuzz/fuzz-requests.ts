/**
 * HTTP requests that an operator's program should not make: routes as the endpoint describes them with values of
 * any kind in paths, queries, headers and bodies, and bytes that are no HTTP at all. Of each answer it checks
 * that it is none of a fault of the program.
 */
import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as SecureAgent, request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { Credential } from './credentials.ts';
import { hostileNumber, hostileText, mutate, pieces, randomBytes } from './hostile-values.ts';

/** Answers that take longer are taken for a hang; streams of events are left after a moment. */
const answerMsMax = 20_000;
const eventsMs = 50;

/** An endpoint with TLS and tokens. */
export interface Guard {
  readonly credential: (random: SeededRandom) => Credential;
}

/** What anybody may ask: probes have no tokens. */
const openPaths: readonly string[] = ['/livez', '/readyz'];

interface Parameter {
  readonly name: string;
  readonly in: string;
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly members: readonly string[];
}

export interface OpenApi {
  readonly paths: Record<
    string,
    Record<
      string,
      {
        parameters?: Parameter[];
        requestBody?: { content: Record<string, { schema: { properties?: object } }> };
      }
    >
  >;
}

interface RequestsOptions {
  readonly described: OpenApi;
  /** Null for one that lets everybody in. */
  readonly guard?: Guard | null;
}

export class FuzzRequests implements Disposable {
  readonly #address: string;
  readonly #random: SeededRandom;
  readonly #routes: readonly Route[];
  readonly #guard: Guard | null;
  readonly #agent: Agent;

  /** Asks for what `described` has, which the endpoint at HOST:PORT says of itself. */
  constructor(address: string, random: SeededRandom, { described, guard = null }: RequestsOptions) {
    this.#address = address;
    this.#random = random;
    this.#routes = routesOf(described);
    this.#guard = guard;
    const pool = { keepAlive: true, maxSockets: 8 };
    this.#agent = guard === null ? new Agent(pool) : new SecureAgent({ ...pool, rejectUnauthorized: false });
  }

  /** Makes one request. Throws where the answer is a fault of the program, or none comes. */
  async request(): Promise<void> {
    if (this.#random.chance(0.1)) await this.#rawBytes();
    else await this.#ask(this.#random.pick(this.#routes));
  }

  async #ask(route: Route): Promise<void> {
    const random = this.#random;
    const path = this.#pathOf(route);
    const method = random.chance(0.95)
      ? route.method
      : random.pick(['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD']);
    const body = this.#bodyOf(route);
    const what = `${method} ${path.slice(0, 300)} ${body?.subarray(0, 300).toString('latin1') ?? ''}`;
    const headers = this.#headers(body);
    const credential = this.#guard?.credential(random) ?? null;
    if (credential !== null) {
      delete headers['authorization'];
      if (credential.authorization !== null) headers['authorization'] = credential.authorization;
    }
    const options = {
      ...{ path, method, agent: this.#agent, headers },
      signal: AbortSignal.timeout(answerMsMax),
    };
    const asked =
      this.#guard === null
        ? httpRequest(`http://${this.#address}`, options)
        : httpsRequest(`https://${this.#address}`, { ...options, rejectUnauthorized: false });
    asked.end(body ?? undefined);
    try {
      const status = await this.#hear(asked, what, method);
      if (credential !== null) checkAllowed(what, route, credential, { method, status });
    } catch (error) {
      // The endpoint may hang up on what is too large, also while it is being sent.
      if (
        !(error instanceof Error && 'code' in error && ['ECONNRESET', 'EPIPE'].includes(String(error.code)))
      )
        throw error;
    }
  }

  /** Gives the status. */
  async #hear(asked: ClientRequest, what: string, method: string): Promise<number> {
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const { statusCode: status = 0 } = answer;
    const type = String(answer.headers['content-type']);
    if (type.startsWith('text/event-stream')) {
      setTimeout(() => asked.destroy(), eventsMs);
      await once(answer, 'close');
      return status;
    }
    const content = await text(answer);
    checkAnswer(what, status, type, method === 'HEAD' ? null : content);
    return status;
  }

  #pathOf({ path, parameters, method }: Route): string {
    const random = this.#random;
    // What is there already is only looked at: what is written and deleted has names of its own.
    const name = (): string =>
      random.chance(0.5)
        ? random.pick(method === 'GET' ? ['keep', '0', 'n', '1'] : ['made', 'n', '1'])
        : hostileText(random);
    const filled = path.replace(/\{[^}]*\}/g, () => encodeURIComponent(name().toWellFormed()));
    const query = parameters
      .filter((parameter) => parameter.in === 'query' && random.chance(0.5))
      .map((parameter) => `${parameter.name}=${encodeURIComponent(name().toWellFormed())}`);
    if (random.chance(0.05)) query.push(query[0] ?? 'limit=', '=&&', '%');
    const whole = query.length === 0 ? filled : `${filled}?${query.join('&')}`;
    if (method !== 'GET' || random.chance(0.9)) return whole;
    const changed = mutate(Buffer.from(whole), random)
      .toString('latin1')
      .replaceAll(/[^\x21-\x7e]/g, '%');
    return `/${changed.replace(/^\/*/, '')}`;
  }

  #headers(body: Buffer | null): Record<string, string> {
    const random = this.#random;
    const plain = (): string => hostileText(random).replaceAll(/[^\x20-\x7e]/g, '?');
    const headers: Record<string, string> = {};
    if (body !== null) {
      headers['content-type'] = random.chance(0.9) ? 'application/json' : plain();
      headers['content-length'] = String(body.length);
    }
    if (random.chance(0.2)) headers['idempotency-key'] = plain();
    if (random.chance(0.1)) headers['authorization'] = plain();
    if (random.chance(0.05)) headers['host'] = plain();
    if (random.chance(0.05)) headers['origin'] = plain();
    if (random.chance(0.05)) headers['accept-encoding'] = plain();
    if (random.chance(0.02)) headers['x-long'] = 'x'.repeat(8_000);
    return headers;
  }

  #bodyOf({ members, method }: Route): Buffer | null {
    const random = this.#random;
    if (method === 'GET') return random.chance(0.02) ? Buffer.from('{}') : null;
    if (random.chance(0.1)) return null;
    const named = random.chance(0.9) ? random.subset(members, 0) : [hostileText(random).toWellFormed()];
    const body = Object.fromEntries(named.map((name) => [name, this.#value(3)]));
    const json = Buffer.from(JSON.stringify(body));
    return random.pick([
      () => json,
      () => json,
      () => mutate(json, random),
      () => Buffer.from(`${'['.repeat(20_000)}`),
      () => Buffer.from(`{"group":"keep","group":"made","__proto__":{"confirm":1}}`),
      () => randomBytes(random, random.below(100)),
      () => Buffer.alloc(random.chance(0.1) ? 3_000_000 : 3_000, 'x'),
    ])();
  }

  #value(depth: number): unknown {
    const random = this.#random;
    return random.pick<() => unknown>([
      () => (random.chance(0.5) ? 'made' : hostileText(random).toWellFormed()),
      () => hostileNumber(random),
      () => -hostileNumber(random) / 3,
      () => random.chance(0.5),
      () => null,
      () => (depth === 0 ? [] : [this.#value(depth - 1)]),
      () => (depth === 0 ? {} : { [hostileText(random)]: this.#value(depth - 1) }),
    ])();
  }

  /** Bytes that are no request, or the half of one. Nothing need be answered. */
  async #rawBytes(): Promise<void> {
    const random = this.#random;
    const { method, path } = random.pick(this.#routes);
    const proper = Buffer.from(
      `${method === 'GET' ? 'GET' : 'POST'} ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
        `${random.pick(['content-length: 2', 'transfer-encoding: chunked', 'content-length: 2\r\ncontent-length: 3', 'upgrade: h2c'])}` +
        `\r\n\r\n${random.pick(['{}', '2\r\n{}\r\n0\r\n\r\n', 'fffffffff\r\n'])}`,
    );
    const colon = this.#address.lastIndexOf(':');
    const socket = connect({
      host: this.#address.slice(0, colon),
      port: Number(this.#address.slice(colon + 1)),
    });
    socket.on('error', () => socket.destroy());
    socket.resume();
    const closed = once(socket, 'close');
    const bytes = random.chance(0.3)
      ? randomBytes(random, 300)
      : random.chance(0.5)
        ? mutate(proper, random)
        : proper;
    for (const piece of pieces(bytes, random)) if (!socket.destroyed) socket.write(piece);
    const timer = setTimeout(() => socket.destroy(), eventsMs);
    await closed.catch(() => undefined);
    clearTimeout(timer);
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

function routesOf({ paths }: OpenApi): Route[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]) => ({
      method: method.toUpperCase(),
      path,
      parameters,
      members: Object.keys(Object.values(requestBody?.content ?? {})[0]?.schema.properties ?? {}),
    })),
  );
}

/** Throws where something was done that the caller may not have done. */
function checkAllowed(
  what: string,
  { path }: Route,
  { role, authorization }: Credential,
  { method, status }: { readonly method: string; readonly status: number },
): void {
  const looks = method === 'GET' || path === '/v1/property/data/query';
  if (status >= 400 || openPaths.includes(path) || (role === 'viewer' && looks)) return;
  throw new Error(`${what}: ${status} for ${role}, who showed ${authorization}`);
}

/** Throws unless an answer is one that the endpoint promises. */
function checkAnswer(what: string, status: number, type: string, content: string | null): void {
  // 503 is said by /readyz, and where there is more to do than can wait.
  if (status >= 500 && status !== 503) throw new Error(`${what}: ${status} ${content}`);
  if (content === null || status < 400) return;
  if (!type.startsWith('application/problem+json')) throw new Error(`${what}: ${status} is told as ${type}`);
  const { code } = JSON.parse(content) as { code: unknown };
  if (typeof code !== 'string' || code === 'internal') throw new Error(`${what}: ${status} ${content}`);
}
