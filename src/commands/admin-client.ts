/** Asks the admin endpoint of a running replica, for verbs over it: JSON in and out, errors as they are told there. */
import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request as requestHttp, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { CodedError } from '../lib/coded-error.ts';
import type { TlsMaterial } from '../peer/tls.ts';
import type { Command, CommandContext } from './command.ts';
import { addTlsOptions, tlsOf, type TlsOptions } from './tls-options.ts';

export interface AdminOptions extends TlsOptions {
  readonly admin: string;
  readonly tokenFile?: string;
}

const adminDefault = '127.0.0.1:17961';

/** An answer must have come by then; events may go on. */
const answerMs = 30_000;

/** Bytes of one event: a run with all its shards and copies. */
const eventBytesMax = 4 * 1024 * 1024;

/** Characters of one answer: a page of changes, or the status of thousands of shards. */
const answerCharactersMax = 64 * 1024 * 1024;

/** Adds where the endpoint is and who asks. */
export function addAdminOptions(command: Command): Command {
  return addTlsOptions(
    command
      .option('--admin <address>', 'HOST:PORT or https://HOST:PORT of the admin endpoint', adminDefault)
      .option('--token-file <file>', 'file that holds the token (default: the variable TALLYSTICK_TOKEN)'),
  );
}

export class AdminClient {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #tls: TlsMaterial;
  readonly #signal: AbortSignal;

  private constructor(
    base: string,
    {
      headers,
      tls,
      signal,
    }: { headers: Readonly<Record<string, string>>; tls: TlsMaterial; signal: AbortSignal },
  ) {
    this.#base = base;
    this.#headers = headers;
    this.#tls = tls;
    this.#signal = signal;
  }

  /** Throws `bad-argument`, `not-found` for what the options name. */
  static async open({ variables, signal }: CommandContext, options: AdminOptions): Promise<AdminClient> {
    const { admin, tokenFile } = options;
    const tls = tlsOf(options);
    const scheme = tls === undefined ? 'http' : 'https';
    const base = /^https?:\/\//.test(admin) ? admin.replace(/\/$/, '') : `${scheme}://${admin}`;
    if (!URL.canParse(base)) {
      throw new CodedError('bad-argument', `--admin is HOST:PORT, not ${admin}`, {
        field: 'admin',
        value: admin,
      });
    }
    const token = tokenFile === undefined ? variables['TALLYSTICK_TOKEN'] : await readToken(tokenFile);
    const headers = token === undefined ? {} : { authorization: `Bearer ${token.trim()}` };
    return new AdminClient(base, { headers, tls: tls?.load() ?? {}, signal });
  }

  /** The answer's body. Throws what the endpoint tells, `unreachable`, `timeout`. */
  async ask<Answer>(method: 'GET' | 'POST', path: string): Promise<Answer> {
    const response = await this.#send(method, path, AbortSignal.timeout(answerMs));
    return JSON.parse(await this.#text(response)) as Answer;
  }

  /** The data of `run` events until the stream ends. */
  async *events<Data>(path: string): AsyncGenerator<Data> {
    const response = await this.#send('GET', path, null);
    let text = '';
    for await (const chunk of this.#chunks(response)) {
      text += chunk;
      if (text.length > eventBytesMax)
        throw new CodedError('too-large', `an event of more than ${eventBytesMax} characters`);
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data !== undefined && /^event: run$/m.test(event)) yield JSON.parse(data) as Data;
      }
    }
  }

  async #send(method: string, path: string, timeout: AbortSignal | null): Promise<IncomingMessage> {
    const signal = timeout === null ? this.#signal : AbortSignal.any([this.#signal, timeout]);
    let response: IncomingMessage;
    try {
      const url = new URL(`${this.#base}${path}`);
      response = await answerTo(url, { method, headers: this.#headers, signal }, this.#tls);
    } catch (error) {
      if (this.#signal.aborted) throw CodedError.from(this.#signal.reason);
      const code = timeout?.aborted === true ? 'timeout' : 'unreachable';
      const why = error instanceof Error ? error.message : String(error);
      const message = `no answer of ${this.#base}: ${why}`;
      throw new CodedError(code, message, { place: this.#base }, { cause: error });
    }
    const { statusCode = 0 } = response;
    if (statusCode >= 200 && statusCode < 300) return response;
    throw problem(statusCode, await this.#text(response));
  }

  async #text(response: IncomingMessage): Promise<string> {
    let text = '';
    for await (const chunk of this.#chunks(response)) {
      text += chunk;
      if (text.length > answerCharactersMax)
        throw new CodedError('too-large', `an answer of more than ${answerCharactersMax} characters`);
    }
    return text;
  }

  async *#chunks(response: IncomingMessage): AsyncGenerator<string> {
    try {
      for await (const chunk of response.setEncoding('utf8')) yield String(chunk);
    } catch (error) {
      if (this.#signal.aborted) throw CodedError.from(this.#signal.reason);
      const message = `the answer of ${this.#base} broke off`;
      throw new CodedError('unreachable', message, { place: this.#base }, { cause: error });
    }
  }
}

function answerTo(url: URL, options: RequestOptions, tls: TlsMaterial): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request =
    url.protocol === 'https:' ? requestHttps(url, { ...options, ...tls }) : requestHttp(url, options);
  request.once('response', resolve);
  request.on('error', reject);
  request.end();
  return promise;
}

async function readToken(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CodedError('not-found', `token file ${path} cannot be read`, { path }, { cause });
  });
}

function problem(status: number, text: string): CodedError {
  try {
    const { type: _, title, status: told, detail, ...details } = JSON.parse(text) as Record<string, unknown>;
    return CodedError.fromJSON({ ...details, message: String(detail ?? title), status: told });
  } catch (cause) {
    const message = `the answer ${status} is no problem document; is this an admin endpoint?`;
    return new CodedError('bad-message', message, { status }, { cause });
  }
}
