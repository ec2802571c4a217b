/**
 * Versions with their values as messages, and back. Of the digest only the first 8 bytes travel, since the
 * receiver can compute it: 56 bytes less in every value that moves. A version whose digest is not that of its source
 * keeps a wrong digest on the other side, so that whoever stores it refuses it there too.
 */
import { create } from '@bufbuild/protobuf';
import { joinEntity, keyBytesMax, parseEntityKey } from '../property/entity.ts';
import { DigestedVersion, sourceDigest } from '../property/digest.ts';
import { digestBytes } from '../property/version.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { StoredVersion } from '../shard-copy/shard-copy.ts';
import { type Version as WireVersion, VersionSchema } from './generated/tallystick/v1/shard_pb.ts';
import { asBuffer, badMessage } from './wire-tree.ts';

// Revision, delete time, head of the digest, tags and lengths.
const bytesBesideKeyAndSource = 48;

/** What a version costs in a message, in bytes, never too little. */
export function wireVersionBytes({ key, source }: Pick<StoredVersion, 'key' | 'source'>): number {
  return key.length + Buffer.byteLength(source) + bytesBesideKeyAndSource;
}

export function toWireVersion({ key, revision, deleteTime, digest, source }: StoredVersion): WireVersion {
  return create(VersionSchema, { key, revision, deleteTime, digestHead: digest.readBigUInt64LE(0), source });
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
  const digest = sourceDigest(source, deleteTime);
  if (digest.readBigUInt64LE(0) === digestHead) {
    return new DigestedVersion({ key: asBuffer(key), revision, deleteTime, digest, source });
  }
  const wrong = Buffer.alloc(digestBytes);
  wrong.writeBigUInt64LE(digestHead, 0);
  return { key: asBuffer(key), revision, deleteTime, digest: wrong, source };
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
