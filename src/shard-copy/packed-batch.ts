/**
 * A batch of versions on its way into the apply thread. Keys and versions are packed into buffers of their own: a
 * Buffer that is a view would carry all of what it is a view of across the border.
 */
import { DigestedVersion } from '../property/digest.ts';
import { packedVersionBytes, packVersion, unpackVersion } from '../property/version.ts';
import type { StoredVersion } from './shard-copy.ts';

export interface PackedBatch {
  readonly keyLengths: readonly number[];
  /** Keys, one after another. */
  readonly keys: Uint8Array;
  /** Packed versions, one after another. */
  readonly versions: Uint8Array;
  readonly sources: readonly string[];
  /** Per version: its digest was computed from its source in this process, so need not be again. */
  readonly computed: readonly boolean[];
}

export function packBatch(batch: readonly StoredVersion[]): PackedBatch {
  const keys = new Uint8Array(batch.reduce((bytes, { key }) => bytes + key.length, 0));
  const versions = new Uint8Array(batch.length * packedVersionBytes);
  let offset = 0;
  for (const [at, version] of batch.entries()) {
    keys.set(version.key, offset);
    offset += version.key.length;
    versions.set(packVersion(version), at * packedVersionBytes);
  }
  return {
    keyLengths: batch.map(({ key }) => key.length),
    keys,
    versions,
    sources: batch.map(({ source }) => source),
    computed: batch.map(DigestedVersion.is),
  };
}

/** Inverse of {@link packBatch}. */
export function unpackBatch({ keyLengths, keys, versions, sources, computed }: PackedBatch): StoredVersion[] {
  const keyBytes = Buffer.from(keys.buffer, keys.byteOffset, keys.byteLength);
  const versionBytes = Buffer.from(versions.buffer, versions.byteOffset, versions.byteLength);
  let offset = 0;
  return sources.map((source, at) => {
    const from = offset;
    offset += keyLengths[at] ?? 0;
    const key = keyBytes.subarray(from, offset);
    const version = { key, ...unpackVersion(versionBytes, at * packedVersionBytes), source };
    return computed[at] ? new DigestedVersion(version) : version;
  });
}
