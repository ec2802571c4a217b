/**
 * Makes the file calls of this process run at once and gives them to a test to break. With every call done when
 * it returns, the order of a program's steps depends on nothing outside: microtasks are all there is between two
 * turns of the event loop. Also the faulty file layer: calls can fail, and after a simulated crash none changes
 * anything any more, so that temporary files stay where they were.
 *
 * SQLite does not go through here; what it has committed is what a crash leaves.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import { promisify } from 'node:util';

export interface FileCall {
  /** As the function is called: open, write, fsync, rename, rm, link, mkdir, … */
  readonly call: string;
  readonly path: string;
}

/** Called before each call that changes files; what it throws is the call's failure. */
export type FileFault = (call: FileCall) => void;

const original = {
  openSync: fs.openSync,
  writeSync: fs.writeSync,
  fsyncSync: fs.fsyncSync,
  rmSync: fs.rmSync,
  open: fs.open,
  read: fs.read,
  write: fs.write,
  unlink: fs.unlink,
  close: fs.close,
  promises: {
    open: fs.promises.open,
    mkdtemp: fs.promises.mkdtemp,
    mkdir: fs.promises.mkdir,
    rm: fs.promises.rm,
    rename: fs.promises.rename,
    link: fs.promises.link,
    readdir: fs.promises.readdir,
    readFile: fs.promises.readFile,
    stat: fs.promises.stat,
  },
  nextTurn: timers.setImmediate,
};

let fault: FileFault | null = null;
let temporaryFolders = 0;
const pathOf = new Map<number, string>();
const handles = new Set<SynchronousHandle>();

function changing(call: string, path: string): void {
  fault?.({ call, path });
}

/** What the sources use of a file handle, on the calls that return when they are done. */
class SynchronousHandle {
  readonly #descriptor: number;
  readonly #path: string;
  #closed = false;

  constructor(path: string, flags: string, mode?: number) {
    if (flags !== 'r') changing('open', path);
    this.#path = path;
    this.#descriptor = original.openSync(path, flags, mode);
    handles.add(this);
  }

  async read(
    bytes: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }> {
    // The number may be another file's by now.
    if (this.#closed) throw Object.assign(new Error('EBADF: file closed, read'), { code: 'EBADF' });
    return { bytesRead: fs.readSync(this.#descriptor, bytes, offset, length, position) };
  }

  async stat(): Promise<fs.Stats> {
    return fs.fstatSync(this.#descriptor);
  }

  async appendFile(content: string | Uint8Array): Promise<void> {
    changing('write', this.#path);
    const bytes = Buffer.from(content as Uint8Array);
    for (let at = 0; at < bytes.length; ) at += original.writeSync(this.#descriptor, bytes, at);
  }

  async writeFile(content: string | Uint8Array): Promise<void> {
    await this.appendFile(content);
  }

  async sync(): Promise<void> {
    changing('fsync', this.#path);
  }

  async close(): Promise<void> {
    handles.delete(this);
    if (this.#closed) return;
    this.#closed = true;
    fs.closeSync(this.#descriptor);
  }
}

/** Closes what programs that were given up in the midst left open. */
export async function closeLeftHandles(): Promise<void> {
  for (const handle of handles) await handle.close();
}

/** Sets what happens before each change; null for nothing. */
export function setFileFault(next: FileFault | null): void {
  fault = next;
}

/** Puts the layer in force until the returned function is called. Turns of the event loop take no time meanwhile. */
export function installSynchronousFiles(): () => void {
  replaceSynchronous();
  replaceCallbacks();
  replacePromises();
  Object.assign(timers, { setImmediate: async () => undefined });
  syncBuiltinESMExports();
  return () => {
    const { promises, nextTurn, ...synchronous } = original;
    Object.assign(fs, synchronous);
    Object.assign(fs.promises, promises);
    Object.assign(timers, { setImmediate: nextTurn });
    syncBuiltinESMExports();
    fault = null;
    pathOf.clear();
  };
}

function replaceSynchronous(): void {
  Object.assign(fs, {
    openSync: (path: string, flags: string, mode?: number) => {
      if (flags !== 'r') changing('open', path);
      const descriptor = original.openSync(path, flags, mode);
      pathOf.set(descriptor, path);
      return descriptor;
    },
    writeSync: (descriptor: number, ...rest: [Uint8Array]) => {
      changing('write', pathOf.get(descriptor) ?? '');
      return original.writeSync(descriptor, ...rest);
    },
    // Nothing here survives the process, so there is nothing to wait for.
    fsyncSync: (descriptor: number) => changing('fsync', pathOf.get(descriptor) ?? ''),
    rmSync: (path: string, options?: fs.RmOptions) => {
      changing('rm', path);
      original.rmSync(path, options);
    },
  });
}

/** Those that take a callback, as they are when they are promisified; nothing calls them otherwise. */
function replaceCallbacks(): void {
  const only = <Work>(work: Work) => Object.assign(() => undefined, { [promisify.custom]: work });
  Object.assign(fs, {
    open: only(async (path: string, flags: string, mode: number) => {
      changing('open', path);
      return original.openSync(path, flags, mode);
    }),
    read: only(
      async (descriptor: number, bytes: Buffer, offset: number, length: number, position: number) => ({
        bytesRead: fs.readSync(descriptor, bytes, offset, length, position),
      }),
    ),
    write: only(
      async (descriptor: number, bytes: Buffer, offset: number, length: number, position: number) => ({
        bytesWritten: original.writeSync(descriptor, bytes, offset, length, position),
      }),
    ),
    unlink: only(async (path: string) => original.rmSync(path)),
    close: only(async (descriptor: number) => fs.closeSync(descriptor)),
  });
}

function replacePromises(): void {
  Object.assign(fs.promises, {
    open: async (path: string, flags = 'r', mode?: number) => new SynchronousHandle(path, flags, mode),
    // Names in order, not at random: nothing a program does may depend on chance.
    mkdtemp: async (prefix: string) => {
      const path = `${prefix}${process.pid}-${temporaryFolders++}`;
      changing('mkdtemp', path);
      fs.mkdirSync(path);
      return path;
    },
    mkdir: async (path: string, options?: fs.MakeDirectoryOptions) => {
      if (!fs.existsSync(path)) changing('mkdir', path);
      return fs.mkdirSync(path, options);
    },
    rm: async (path: string, options?: fs.RmOptions) => {
      changing('rm', path);
      original.rmSync(path, options);
    },
    rename: async (from: string, to: string) => {
      changing('rename', to);
      fs.renameSync(from, to);
    },
    link: async (from: string, to: string) => {
      changing('link', to);
      fs.linkSync(from, to);
    },
    stat: async (path: string) => fs.statSync(path),
    readdir: async (path: string, options?: { withFileTypes?: boolean }) =>
      fs.readdirSync(path, options as { withFileTypes: true }),
    readFile: async (path: string, encoding: 'utf8') => fs.readFileSync(path, encoding),
  });
}
