/**
 * Versions with their values as messages, and back. Of the digest only the first 8 bytes travel, since the
 * receiver can compute it: 56 bytes less in every value that moves. A version whose digest is not that of its source
 * keeps a wrong digest on the other side, so that whoever stores it refuses it there too.
 */
import { isUtf8 } from 'node:buffer';
import { joinEntity, keyBytesMax, parseEntityKey } from '../property/entity.ts';
import { sourceDigest } from '../property/digest.ts';
import { EncodedVersion } from '../property/encoded-version.ts';
import { digestBytes } from '../property/version.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { StoredVersion } from '../shard-copy/shard-copy.ts';
import type { Version as WireVersion } from './generated/tallystick/v1/shard_pb.ts';
import { asBuffer, badMessage } from './wire-tree.ts';

// Messages of this type are written out: the library's `create` costs as much as the rest of a version.
const $typeName = 'tallystick.v1.Version';

// Revision, delete time, head of the digest, tags and lengths.
const bytesBesideKeyAndSource = 48;

/** What a version costs in a message, in bytes, never too little. */
export function wireVersionBytes(version: StoredVersion): number {
  return version.key.length + EncodedVersion.sizeOf(version) + bytesBesideKeyAndSource;
}

export function toWireVersion(version: StoredVersion): WireVersion {
  const { key, revision, deleteTime, digest } = version;
  const digestHead = digest.readBigUInt64LE(0);
  const source = EncodedVersion.bytesOf(version);
  return { $typeName, key, revision, deleteTime, digestHead, source, tooLarge: false };
}

/** The answer for an entity whose value is not sent. */
export function withoutValue(key: Buffer, { tooLarge = false } = {}): WireVersion {
  return { $typeName, key, revision: 0n, deleteTime: 0n, digestHead: 0n, tooLarge };
}

/** Inverse of {@link toWireVersion}; null where it has no value. Throws `bad-message`. */
export function fromWireVersion({
  key,
  revision,
  deleteTime,
  digestHead,
  source,
}: WireVersion): StoredVersion | null {
  checkKey(key);
  if (source === undefined) return null;
  if (deleteTime < 0n) throw badMessage(`a delete time of ${deleteTime}`, { key: hexOf(key) });
  const bytes = asBuffer(source);
  let digest = sourceDigest(bytes, deleteTime);
  // Bytes that are no text would be another text when they are read.
  const digested = digest.readBigUInt64LE(0) === digestHead && isUtf8(source);
  if (!digested) {
    digest = Buffer.alloc(digestBytes);
    digest.writeBigUInt64LE(digestHead, 0);
  }
  return new EncodedVersion({ key: asBuffer(key), revision, deleteTime, digest, bytes, digested });
}

/** Throws `bad-message` for a key of impossible size. */
export function checkKey(key: Uint8Array): void {
  if (key.length === 0 || key.length > keyBytesMax) {
    throw badMessage(`a key of ${key.length} bytes; 1 to ${keyBytesMax} are possible`, {
      ceiling: keyBytesMax,
    });
  }
}

/** The error for a version that no message can carry. */
export function versionTooLarge(group: string, key: Buffer, ceiling: number): CodedError {
  const entity = joinEntity(parseEntityKey(group, key));
  return new CodedError(
    'too-large',
    `the value of ${entity} is too large to be sent; the ceiling of a message is ${ceiling} bytes`,
    {
      entity,
      ceiling,
    },
  );
}

/** The first bytes of a key for an error's details. */
export function hexOf(key: Uint8Array): string {
  return asBuffer(key).toString('hex', 0, 64);
}
