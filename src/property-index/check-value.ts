/**
 * What is read from a database held to what was written: SQLite has no checksums, so a damaged page may give other
 * values, none, or lead a walk back to where it was.
 */
import { compareBytes, toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { sourceDigest } from '../property/digest.ts';
import { entityKey } from '../property/entity.ts';
import { parseSource } from '../property/source-json.ts';
import { packedVersionBytes, type StoredVersion, unpackVersion, type Version } from '../property/version.ts';

/** Throws `damaged-database` unless a version's digest is that of its value and delete time, and its key that of its value. */
export function checkValue({ key, source, deleteTime, digest }: StoredVersion, path: string): void {
  if (!sourceDigest(source, deleteTime).equals(digest))
    throw damagedValue(key, path, 'is not the one its digest is of');
  if (!entityKey(parseSource(source)).equals(key)) throw damagedValue(key, path, 'is of another entity');
}

/** The error for a value that cannot be used; `path` is its database. */
export function damagedValue(key: Buffer, path: string, why: string): CodedError {
  return damaged(path, `the value of entity key ${toHex(key)} ${why}`);
}

/** A packed version as it lies in the database. Throws `damaged-database` for one of a wrong size. */
export function storedVersion(packed: Buffer, path: string): Version {
  if (packed.length === packedVersionBytes) return unpackVersion(packed);
  throw damaged(path, `a version has ${packed.length} bytes`);
}

/** Throws `damaged-database` unless a walk in key order has moved on. */
export function checkAscending(before: Buffer, key: Buffer, path: string): void {
  if (compareBytes(key, before) > 0) return;
  throw damaged(path, `entity key ${toHex(key)} follows ${toHex(before)}`);
}

function damaged(path: string, why: string): CodedError {
  return new CodedError('damaged-database', `database ${path} is damaged: ${why}`, { path });
}
