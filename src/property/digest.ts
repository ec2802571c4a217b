/** The digest of a version, as BanyanDB computes it. */
import { hash } from 'node:crypto';
import type { StoredVersion } from './version.ts';

/** SHA-512 over the source text as UTF-8 and the delete time (nanoseconds, 0 when live) in decimal; 64 bytes. */
export function sourceDigest(source: string, deleteTime: bigint): Buffer {
  return hash('sha512', `${source}${deleteTime}`, 'buffer');
}

/** A version whose digest was computed in this process from the source it holds, so need not be again; a spread copy is none. */
export class DigestedVersion implements StoredVersion {
  readonly key: Buffer;
  readonly revision: bigint;
  readonly deleteTime: bigint;
  readonly digest: Buffer;
  readonly source: string;
  readonly #computed = true;

  /** To be called by who computed the digest of just these. */
  constructor({ key, revision, deleteTime, digest, source }: StoredVersion) {
    this.key = key;
    this.revision = revision;
    this.deleteTime = deleteTime;
    this.digest = digest;
    this.source = source;
  }

  static is(version: StoredVersion): boolean {
    return #computed in version && version.#computed;
  }
}
