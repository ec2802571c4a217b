/**
 * Keys and certificates from files, for servers and clients, read again when a file changed: a renewed
 * certificate is used by the next connection. Files that cannot be used while others were leave these in use,
 * and say so. Files are read synchronously: a few small ones, at a new connection, before its handshake.
 */
import { isErrno } from '../lib/errno.ts';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type PeerCertificate, type Server as TlsServer } from 'node:tls';
import { CodedError } from '../lib/coded-error.ts';

export interface TlsPaths {
  /** PEM certificate of this side, with intermediates; servers need one, clients only where they have to show it. */
  readonly certPath?: string;
  readonly keyPath?: string;
  /** PEM certificates that the other side must be signed by; without, a client trusts the system's. */
  readonly caPath?: string;
}

export interface TlsMaterial {
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly ca?: Buffer;
}

/** Bytes of one PEM file: a chain of dozens of certificates. */
const pemBytesMax = 1024 * 1024;

/** Names in a certificate that are looked at. */
const certificateNamesMax = 100;

export interface TlsFilesOptions {
  /** Told when changed files cannot be used; those read before stay in use. */
  readonly onProblem?: (problem: CodedError) => void;
}

export class TlsFiles {
  readonly paths: TlsPaths;
  readonly #onProblem: (problem: CodedError) => void;
  #material: TlsMaterial | null = null;
  #stamp = '';

  constructor(paths: TlsPaths, { onProblem = () => undefined }: TlsFilesOptions = {}) {
    this.paths = paths;
    this.#onProblem = onProblem;
  }

  /**
   * What the files hold now, the same object as before where none changed. The first time it throws
   * `not-found`, `too-large` or `bad-settings` for files that cannot be used.
   */
  load(): TlsMaterial {
    try {
      const stamp = this.#readStamp();
      if (this.#material !== null && stamp === this.#stamp) return this.#material;
      const material = this.#read();
      this.#material = material;
      this.#stamp = stamp;
      return material;
    } catch (error) {
      const problem = CodedError.from(error);
      if (this.#material === null) throw problem;
      this.#onProblem(problem);
      return this.#material;
    }
  }

  #readStamp(): string {
    const stamps = this.#used().map(([, path]) => {
      const { mtimeMs, size, ino } = fromFile(path, () => statSync(path));
      if (size > pemBytesMax) {
        const details = { path, ceiling: pemBytesMax };
        throw new CodedError(
          'too-large',
          `${path} has ${size} bytes; the ceiling is ${pemBytesMax}`,
          details,
        );
      }
      return `${mtimeMs}/${size}/${ino}`;
    });
    return stamps.join(' ');
  }

  #used(): ['cert' | 'key' | 'ca', string][] {
    const { certPath, keyPath, caPath } = this.paths;
    const all = [
      ['cert', certPath],
      ['key', keyPath],
      ['ca', caPath],
    ] as const;
    return all.flatMap(([name, path]) => (path === undefined ? [] : [[name, path]]));
  }

  #read(): TlsMaterial {
    const entries = this.#used().map(([name, path]) => [name, fromFile(path, () => readFileSync(path))]);
    const material = Object.fromEntries(entries) as TlsMaterial;
    try {
      createSecureContext(material);
    } catch (error) {
      const paths = this.#used().map(([, path]) => path);
      const reason = error instanceof Error ? error.message : String(error);
      const message = `the certificates in ${paths.join(', ')} cannot be used: ${reason}`;
      throw new CodedError('bad-settings', message, { paths }, { cause: error });
    }
    return material;
  }
}

/** Has a server show, from its next connection on, certificates that changed; `first` are those it began with. */
export function followCertificates(server: TlsServer, tls: TlsFiles, first: TlsMaterial): void {
  let used = first;
  // Before the handshake of a new connection: it already shows a certificate that changed.
  server.prependListener('connection', () => {
    const material = tls.load();
    if (material === used) return;
    used = material;
    server.setSecureContext(material);
  });
}

function fromFile<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      throw new CodedError('not-found', `there is no file ${path}`, { path }, { cause: error });
    }
    throw CodedError.from(error);
  }
}

/** The names a certificate gives its holder: its common name, and the DNS names and addresses beside it. */
export function certificateNames(certificate: PeerCertificate): string[] {
  const names: string[] = [];
  const common: unknown = certificate.subject?.CN;
  if (typeof common === 'string') names.push(common);
  for (const part of (certificate.subjectaltname ?? '').split(', ').slice(0, certificateNamesMax)) {
    const found = /^(?:DNS|IP Address):([^"]+)$/.exec(part);
    if (found?.[1] !== undefined && !names.includes(found[1])) names.push(found[1]);
  }
  return names;
}
