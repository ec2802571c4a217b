/**
 * Positional reads of one immutable file on a kept descriptor: a file that is unlinked or replaced by name stays
 * readable until it is disposed. Owns the descriptor; knows nothing of what the bytes mean. Every length is checked
 * against the file's size and a ceiling before memory is taken, so a damaged length cannot cost memory.
 */
import { isErrno } from './errno.ts';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { CodedError } from './coded-error.ts';

/** Ceiling of one read: far above any record or page of ours, far below what a process could not spare. */
export const fileReadBytesMax = 16 * 1024 * 1024;

/** A `damaged-file` error that says which file, where (byte offset) and what is wrong there. */
export function damagedFile(
  path: string,
  offset: number,
  reason: string,
  details: Readonly<Record<string, unknown>> = {},
): CodedError {
  return new CodedError('damaged-file', `${path} is damaged at byte ${offset}: ${reason}`, {
    path,
    offset,
    ...details,
  });
}

export class FileReader implements AsyncDisposable {
  readonly path: string;
  /** Bytes of the file when it was opened. */
  readonly size: number;
  readonly #handle: FileHandle;
  #closed = false;

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  /** As {@link openForReading}. */
  static async open(path: string): Promise<FileReader> {
    const handle = await openForReading(path);
    try {
      return new FileReader(path, (await handle.stat()).size, handle);
    } catch (error) {
      await handle.close();
      throw CodedError.from(error);
    }
  }

  /**
   * Exactly `length` bytes from `offset`, in a buffer of their own. Throws `damaged-file`, naming wanted and got,
   * when the file does not hold them or `length` is above {@link fileReadBytesMax}.
   */
  async read(offset: number, length: number): Promise<Buffer> {
    if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 0) {
      throw damagedFile(this.path, offset, `a read of ${length} bytes there is impossible`, {
        wanted: length,
        got: 0,
      });
    }
    if (length > fileReadBytesMax) {
      const reason = `wanted ${length} bytes, the ceiling of one read is ${fileReadBytesMax}`;
      throw damagedFile(this.path, offset, reason, { wanted: length, got: 0, ceiling: fileReadBytesMax });
    }
    if (offset + length > this.size) throw this.#shortRead(offset, length, Math.max(0, this.size - offset));
    const bytes = Buffer.allocUnsafeSlow(length);
    let got = 0;
    // Ends: every turn but the last reads at least one byte of `length`.
    while (got < length) {
      const { bytesRead } = await this.#readSome(bytes, got, offset + got);
      if (bytesRead === 0) throw this.#shortRead(offset, length, got);
      got += bytesRead;
    }
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }

  async #readSome(bytes: Buffer, from: number, position: number): Promise<{ bytesRead: number }> {
    try {
      return await this.#handle.read(bytes, from, bytes.length - from, position);
    } catch (error) {
      throw CodedError.from(error);
    }
  }

  #shortRead(offset: number, wanted: number, got: number): CodedError {
    return damagedFile(this.path, offset, `wanted ${wanted} bytes, got ${got}`, { wanted, got });
  }
}

/**
 * Opens a regular file that somebody named. Throws `not-found` with its path, `bad-argument` for what is no file, or
 * the code of what the system said.
 */
export async function openForReading(path: string): Promise<FileHandle> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    if ((await handle.stat()).isFile()) return handle;
    throw new CodedError('bad-argument', `${path} is not a file`, { path });
  } catch (error) {
    await handle?.close();
    if (!isErrno(error, 'ENOENT')) throw CodedError.from(error);
    throw new CodedError('not-found', `there is no file ${path}`, { path }, { cause: error });
  }
}
