/**
 * A batch of versions on its way into the apply thread: one piece of memory that changes hands, since a Buffer that is
 * a view would carry all of what it is a view of across the border.
 */
import { EncodedVersion } from '../property/encoded-version.ts';
import { packedVersionBytes, packVersionInto, unpackVersion } from '../property/version.ts';
import type { StoredVersion } from './shard-copy.ts';

export interface PackedBatch {
  readonly keyLengths: readonly number[];
  readonly sourceLengths: readonly number[];
  /** Per version: its digest was computed from its source in this process, so need not be again. */
  readonly digested: readonly boolean[];
  /** Key, packed version, source; one version after another. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export function packBatch(batch: readonly StoredVersion[]): PackedBatch {
  const keyLengths = batch.map(({ key }) => key.length);
  const sourceLengths = batch.map(EncodedVersion.sizeOf);
  const sum = (lengths: readonly number[]): number => lengths.reduce((total, length) => total + length, 0);
  const bytes = new Uint8Array(sum(keyLengths) + sum(sourceLengths) + batch.length * packedVersionBytes);
  const packed = Buffer.from(bytes.buffer);
  let offset = 0;
  for (const version of batch) {
    packed.set(version.key, offset);
    offset = packVersionInto(packed, offset + version.key.length, version);
    const source = EncodedVersion.bytesOf(version);
    packed.set(source, offset);
    offset += source.length;
  }
  return {
    keyLengths,
    sourceLengths,
    digested: batch.map(EncodedVersion.isDigested),
    bytes,
  };
}

/** Inverse of {@link packBatch}; the versions are views into its bytes. */
export function unpackBatch({ keyLengths, sourceLengths, digested, bytes }: PackedBatch): StoredVersion[] {
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  const next = (length: number): Buffer => {
    offset += length;
    return packed.subarray(offset - length, offset);
  };
  return keyLengths.map((keyLength, at) => {
    const key = next(keyLength);
    const version = unpackVersion(next(packedVersionBytes));
    const source = next(sourceLengths[at] ?? 0);
    return new EncodedVersion({ key, ...version, bytes: source, digested: digested[at] ?? false });
  });
}
