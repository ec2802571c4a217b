/**
 * A temporary file of one owner: appended to, then read by position. It has no name once it is open, so whatever ends
 * the process, nothing is left; its bytes are gone when it is disposed.
 */
import { randomUUID } from 'node:crypto';
import { close, closeSync, open, read, unlink, write } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { assert } from './assert.ts';
import { CodedError } from './coded-error.ts';

// Looked up at each call: a test may have put functions of its own in their place.
const files = {
  open: (path: string) => promisify(open)(path, 'wx+', 0o600),
  unlink: (path: string) => promisify(unlink)(path),
  close: (descriptor: number) => promisify(close)(descriptor),
  read: (descriptor: number, bytes: Buffer, from: number, position: number) =>
    promisify(read)(descriptor, bytes, from, bytes.length - from, position),
  write: (descriptor: number, bytes: Buffer, from: number, position: number) =>
    promisify(write)(descriptor, bytes, from, bytes.length - from, position),
};

export class SpoolFile implements Disposable {
  #descriptor: number | null;
  #size = 0;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** In the system's temporary folder. Throws `io` where the system refuses. */
  static async create(): Promise<SpoolFile> {
    const path = join(tmpdir(), `tallystick-${randomUUID()}`);
    try {
      const descriptor = await files.open(path);
      try {
        await files.unlink(path);
      } catch (error) {
        await files.close(descriptor);
        throw error;
      }
      return new SpoolFile(descriptor);
    } catch (error) {
      throw CodedError.from(error);
    }
  }

  /** Bytes appended so far. */
  get size(): number {
    return this.#size;
  }

  /** One call at a time. Throws `io`, as where the disk is full. */
  async append(bytes: Buffer): Promise<void> {
    let from = 0;
    while (from < bytes.length) {
      const { bytesWritten } = await this.#try((descriptor) =>
        files.write(descriptor, bytes, from, this.#size),
      );
      from += bytesWritten;
      this.#size += bytesWritten;
    }
  }

  /** Exactly `length` bytes from `offset`, which were appended. */
  async read(offset: number, length: number): Promise<Buffer> {
    assert(offset >= 0 && offset + length <= this.#size, 'only what was appended is read');
    const bytes = Buffer.allocUnsafe(length);
    let got = 0;
    while (got < length) {
      const { bytesRead } = await this.#try((descriptor) => files.read(descriptor, bytes, got, offset + got));
      assert(bytesRead > 0, 'a spool file has what was appended');
      got += bytesRead;
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  async #try<T>(work: (descriptor: number) => Promise<T>): Promise<T> {
    assert(this.#descriptor !== null, 'a spool file is used before it is disposed');
    try {
      return await work(this.#descriptor);
    } catch (error) {
      throw CodedError.from(error);
    }
  }
}
