/** Asks the admin endpoint of a running replica, for verbs over it: JSON in and out, errors as they are told there. */
import { readFile } from 'node:fs/promises';
import { CodedError } from '../lib/coded-error.ts';
import type { Command, CommandContext } from './command.ts';

export interface AdminOptions {
  readonly admin: string;
  readonly tokenFile?: string;
}

const adminDefault = '127.0.0.1:17961';

/** An answer must have come by then; events may go on. */
const answerMs = 30_000;

/** Bytes of one event: a run with all its shards and copies. */
const eventBytesMax = 4 * 1024 * 1024;

/** Adds where the endpoint is and who asks. */
export function addAdminOptions(command: Command): Command {
  return command
    .option('--admin <address>', 'HOST:PORT or https://HOST:PORT of the admin endpoint', adminDefault)
    .option('--token-file <file>', 'file that holds the token (default: the variable TALLYSTICK_TOKEN)');
}

export class AdminClient {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;

  private constructor(base: string, headers: Readonly<Record<string, string>>, signal: AbortSignal) {
    this.#base = base;
    this.#headers = headers;
    this.#signal = signal;
  }

  /** Throws `bad-argument`, `not-found` for what the options name. */
  static async open({ variables, signal }: CommandContext, options: AdminOptions): Promise<AdminClient> {
    const { admin, tokenFile } = options;
    const base = /^https?:\/\//.test(admin) ? admin.replace(/\/$/, '') : `http://${admin}`;
    if (!URL.canParse(base)) {
      throw new CodedError('bad-argument', `--admin is HOST:PORT, not ${admin}`, {
        field: 'admin',
        value: admin,
      });
    }
    const token = tokenFile === undefined ? variables['TALLYSTICK_TOKEN'] : await readToken(tokenFile);
    return new AdminClient(
      base,
      token === undefined ? {} : { authorization: `Bearer ${token.trim()}` },
      signal,
    );
  }

  /** The answer's body. Throws what the endpoint tells, `unreachable`, `timeout`. */
  async ask<Answer>(method: 'GET' | 'POST', path: string): Promise<Answer> {
    const response = await this.#fetch(method, path, AbortSignal.timeout(answerMs));
    return (await response.json()) as Answer;
  }

  /** The data of `run` events until the stream ends. */
  async *events<Data>(path: string): AsyncGenerator<Data> {
    const response = await this.#fetch('GET', path, null);
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
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

  async #fetch(method: string, path: string, timeout: AbortSignal | null): Promise<Response> {
    const signal = timeout === null ? this.#signal : AbortSignal.any([this.#signal, timeout]);
    let response: Response;
    try {
      response = await fetch(`${this.#base}${path}`, { method, headers: this.#headers, signal });
    } catch (error) {
      if (this.#signal.aborted) throw CodedError.from(this.#signal.reason);
      const why =
        error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      const code = timeout?.aborted === true ? 'timeout' : 'unreachable';
      throw new CodedError(
        code,
        `no answer of ${this.#base}: ${why}`,
        { place: this.#base },
        { cause: error },
      );
    }
    if (response.ok) return response;
    throw await problem(response);
  }
}

async function readToken(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CodedError('not-found', `token file ${path} cannot be read`, { path }, { cause });
  });
}

async function problem(response: Response): Promise<CodedError> {
  const text = await response.text();
  try {
    const { type: _, title, status, detail, ...details } = JSON.parse(text) as Record<string, unknown>;
    return CodedError.fromJSON({ ...details, message: String(detail ?? title), status });
  } catch (cause) {
    const message = `the answer ${response.status} is no problem document; is this an admin endpoint?`;
    return new CodedError('bad-message', message, { status: response.status }, { cause });
  }
}
