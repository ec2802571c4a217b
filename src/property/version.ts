/**
 * The one total order of versions: (revision, delete time, digest), lexicographically; the greater wins
 * on every replica. Packed into 80 bytes whose byte order is that order, so that the order also holds
 * inside SQLite and in files without decoding.
 */
import { assert } from '../lib/assert.ts';
import { compareBytes } from '../lib/bytes.ts';

/** Bytes of a SHA-512 digest. */
export const digestBytes = 64;

/** Bytes of a digest's head: enough to tell two versions of an entity apart where the whole digest follows. */
export const digestHeadBytes = 8;

/** Bytes of a packed version: revision, delete time, digest. */
export const packedVersionBytes = 8 + 8 + digestBytes;

/** Which version of an entity: what a leaf says beside the key. */
export interface Version {
  /** int64, nanoseconds where BanyanDB or we stamped it. */
  readonly revision: bigint;
  /** int64 nanoseconds, 0 for a live version, greater for a tombstone. */
  readonly deleteTime: bigint;
  /** SHA-512 over source text and delete time, 64 bytes, in the group's spelling. */
  readonly digest: Buffer;
}

/** A version with its value, as it is stored and as it travels between copies. */
export interface StoredVersion extends Version {
  /** Entity key within the group (entity.ts). */
  readonly key: Buffer;
  /** The property's JSON text; the digest is of this spelling. */
  readonly source: string;
}

// int64 as unsigned big-endian with the sign bit flipped sorts bytewise as the number does.
const signFlip = 1n << 63n;

/** Packs a version into 80 bytes; the byte order of packed versions is the total order. */
export function packVersion(version: Version): Buffer {
  const packed = Buffer.allocUnsafe(packedVersionBytes);
  packVersionInto(packed, 0, version);
  return packed;
}

/** As {@link packVersion}, into `bytes` at `offset`; returns where it ends. */
export function packVersionInto(bytes: Buffer, offset: number, version: Version): number {
  assert(version.digest.length === digestBytes, 'a digest has 64 bytes');
  bytes.writeBigUInt64BE(BigInt.asUintN(64, version.revision) ^ signFlip, offset);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, version.deleteTime) ^ signFlip, offset + 8);
  bytes.set(version.digest, offset + 16);
  return offset + packedVersionBytes;
}

/** Inverse of {@link packVersion}, from `bytes` at `offset`; the digest is a view into `bytes`. */
export function unpackVersion(bytes: Buffer, offset = 0): Version {
  return {
    revision: BigInt.asIntN(64, bytes.readBigUInt64BE(offset) ^ signFlip),
    deleteTime: BigInt.asIntN(64, bytes.readBigUInt64BE(offset + 8) ^ signFlip),
    digest: bytes.subarray(offset + 16, offset + packedVersionBytes),
  };
}

/** The total order: negative when `a` loses to `b`, zero when they are the same version, positive when `a` wins. */
export function compareVersions(a: Version, b: Version): number {
  if (a.revision !== b.revision) return a.revision < b.revision ? -1 : 1;
  if (a.deleteTime !== b.deleteTime) return a.deleteTime < b.deleteTime ? -1 : 1;
  return compareBytes(a.digest, b.digest);
}
