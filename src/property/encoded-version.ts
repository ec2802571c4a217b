/**
 * A version whose source is held as UTF-8, as it lies in an index and on the wire, and decoded only for who reads it:
 * what passes through a process stays outside its heap.
 */
import type { StoredVersion, Version } from './version.ts';

export interface EncodedSource extends Version {
  readonly key: Buffer;
  /** UTF-8. */
  readonly bytes: Buffer;
  /** The digest was computed in this process from the source, which is well-formed, so need not be again. */
  readonly digested: boolean;
}

/** A spread copy is none, and has no source of its own. */
export class EncodedVersion implements StoredVersion, EncodedSource {
  readonly key: Buffer;
  readonly revision: bigint;
  readonly deleteTime: bigint;
  readonly digest: Buffer;
  readonly bytes: Buffer;
  readonly digested: boolean;

  constructor({ key, revision, deleteTime, digest, bytes, digested }: EncodedSource) {
    this.key = key;
    this.revision = revision;
    this.deleteTime = deleteTime;
    this.digest = digest;
    this.bytes = bytes;
    this.digested = digested;
  }

  /** Decoded anew each time. */
  get source(): string {
    return this.bytes.toString();
  }

  /** Whether the digest of a version was computed in this process from its source. */
  static isDigested(version: StoredVersion): boolean {
    return version instanceof EncodedVersion && version.digested;
  }

  /** The source of any version as UTF-8. */
  static bytesOf(version: StoredVersion): Buffer {
    return version instanceof EncodedVersion ? version.bytes : Buffer.from(version.source);
  }

  /** Bytes of the source of any version as UTF-8. */
  static sizeOf(version: StoredVersion): number {
    return version instanceof EncodedVersion ? version.bytes.length : Buffer.byteLength(version.source);
  }
}
