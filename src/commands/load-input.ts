/**
 * The files of a load. They are read twice, first to find every problem and then to write, so what can be read
 * only once (standard input, a pipe) is put into a temporary file first.
 */
import { isErrno } from '../lib/errno.ts';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CodedError } from '../lib/coded-error.ts';

/** Bytes read at once: with small chunks the calls would cost more than the reading. */
const chunkBytes = 256 * 1024;

/** What a load calls standard input in its problems. */
const stdinName = '-';

export interface InputFile {
  /** As the user named it. */
  readonly name: string;
  /** Where its bytes are. */
  readonly path: string;
}

export class LoadInput implements AsyncDisposable {
  readonly files: InputFile[] = [];
  #spool: string | null = null;

  /** Makes every file readable twice. Throws `not-found`, `bad-argument`, `io`. */
  static async open(
    names: readonly string[],
    stdin: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<LoadInput> {
    const input = new LoadInput();
    try {
      for (const name of names) await input.#add(name, stdin, signal);
      return input;
    } catch (error) {
      await input[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The bytes of a file from its beginning. */
  async *chunks(file: InputFile, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      yield* createReadStream(file.path, { highWaterMark: chunkBytes, signal });
    } catch (error) {
      throw readError(file.name, error, signal);
    }
  }

  async #add(name: string, stdin: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    if (name === stdinName) {
      if (this.files.some((file) => file.name === stdinName)) {
        throw new CodedError('bad-argument', 'standard input can be read once only', {
          file: name,
          value: name,
        });
      }
      await this.#spoolFrom(name, stdin, signal);
      return;
    }
    const found = await stat(name).catch((error: unknown) => {
      throw readError(name, error, signal);
    });
    if (found.isDirectory()) {
      throw new CodedError('bad-argument', `${name} is a directory; records are read from files`, {
        file: name,
        value: name,
      });
    }
    if (found.isFile()) this.files.push({ name, path: name });
    else await this.#spoolFrom(name, createReadStream(name), signal);
  }

  async #spoolFrom(name: string, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    this.#spool ??= await mkdtemp(join(tmpdir(), 'tallystick-load-'));
    const path = join(this.#spool, String(this.files.length));
    try {
      await pipeline(bytes, createWriteStream(path, { mode: 0o600 }), { signal });
    } catch (error) {
      throw readError(name, error, signal);
    }
    this.files.push({ name, path });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#spool !== null) await rm(this.#spool, { recursive: true, force: true });
  }
}

function readError(name: string, error: unknown, signal: AbortSignal): CodedError {
  if (signal.aborted) return CodedError.from(signal.reason);
  if (isErrno(error, 'ENOENT')) {
    return new CodedError(
      'not-found',
      `there is no file ${name}`,
      { file: name, value: name },
      { cause: error },
    );
  }
  const { code, message, details } = CodedError.from(error);
  return new CodedError(
    code,
    `${name} cannot be read: ${message}`,
    { ...details, file: name },
    { cause: error },
  );
}
