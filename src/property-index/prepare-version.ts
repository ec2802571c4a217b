/**
 * The check between a version from elsewhere and the index: what is stored is always in the group's
 * spelling, under the key its source names, with the digest its source makes, in the shard it belongs to.
 */
import { isUtf8 } from 'node:buffer';
import { CodedError } from '../lib/coded-error.ts';
import { sourceDigest } from '../property/digest.ts';
import { EncodedVersion } from '../property/encoded-version.ts';
import { entityBytesMax, entityKey, joinEntity } from '../property/entity.ts';
import { entityHash, shardOf } from '../property/placement.ts';
import type { Property } from '../property/property.ts';
import { propertyBytes, propertyBytesMax } from '../property/protobuf-size.ts';
import { parseSource, type Spelling, spellProperty, unlikeDecidedIn } from '../property/source-json.ts';
import { packVersion, type StoredVersion, unpackVersion } from '../property/version.ts';

/** A version ready to be written. */
export interface PreparedVersion {
  readonly key: Buffer;
  /** The `placement` column: 16 bits of the entity's hash, length of the key. */
  readonly placement: Buffer;
  readonly version: Buffer;
  /** UTF-8: a batch of them lies outside the heap. */
  readonly source: Buffer;
  readonly revision: bigint;
  readonly live: boolean;
  /**
   * Where it came in another spelling than the index's and ties are decided in that one: its digest there.
   * Null where the digest within `version` decides.
   */
  readonly tieDigest: Buffer | null;
}

/** Where versions are prepared for. */
export interface PrepareTarget {
  readonly group: string;
  readonly shard: number;
  readonly shards: number;
  readonly spelling: Spelling;
}

/** Checks a version from another copy. Returns the reason as text where it must be refused. */
export function prepareIncoming(incoming: StoredVersion, target: PrepareTarget): PreparedVersion | string {
  const { revision, deleteTime, digest, source } = incoming;
  let property: Property;
  try {
    property = parseSource(source);
  } catch (error) {
    if (error instanceof CodedError) return error.message;
    throw error;
  }
  if (property.modRevision !== revision) {
    return `its source has revision ${property.modRevision}, not ${revision}`;
  }
  const bytes = EncodedVersion.bytesOf(incoming);
  if (!EncodedVersion.isDigested(incoming)) {
    // The bytes are what is stored, and would be read as another text.
    if (!isUtf8(bytes)) return 'its source is not UTF-8';
    if (!sourceDigest(bytes, deleteTime).equals(digest))
      return 'its digest is not that of its source and delete time';
  }
  const prepared = prepareProperty(property, deleteTime, target, { source, bytes, digest });
  if (typeof prepared === 'string') return prepared;
  if (!prepared.key.equals(incoming.key)) {
    return `its source is of ${joinEntity(property)}, another entity than its key`;
  }
  const unlike = target.spelling !== unlikeDecidedIn && prepared.source !== bytes;
  if (!unlike || spellProperty(property, unlikeDecidedIn) !== source) return prepared;
  return { ...prepared, tieDigest: digest };
}

/** Prepares a checked property; `spelled` saves a digest where a source, as text and UTF-8, and its digest are known. */
export function prepareProperty(
  property: Property,
  deleteTime: bigint,
  target: PrepareTarget,
  spelled?: { readonly source: string; readonly bytes: Buffer; readonly digest: Buffer },
): PreparedVersion | string {
  const entity = joinEntity(property);
  if (property.group !== target.group) return `it is of group ${property.group}, not ${target.group}`;
  if (property.name === '' || property.id === '' || property.name.includes('/')) {
    return `name and id must not be empty and a name must not hold "/": ${entity}`;
  }
  if (deleteTime < 0n) return `its delete time ${deleteTime} is negative`;
  if (Buffer.byteLength(entity) > entityBytesMax) return `its entity is larger than ${entityBytesMax} bytes`;
  const size = propertyBytes(property);
  if (size > propertyBytesMax) return `it has ${size} bytes; the ceiling is ${propertyBytesMax}`;
  const hash = entityHash(property);
  if (shardOf(hash, target.shards) !== target.shard) {
    return `it belongs to shard ${shardOf(hash, target.shards)} of ${target.shards}, not ${target.shard}`;
  }
  const text = spellProperty(property, target.spelling);
  const known = spelled?.source === text ? spelled : null;
  const source = known?.bytes ?? Buffer.from(text);
  const digest = known?.digest ?? sourceDigest(text, deleteTime);
  const key = entityKey(property);
  const placement = Buffer.allocUnsafe(4);
  placement.writeUInt16BE(Number(hash & 0xffffn), 0);
  placement.writeUInt16BE(key.length, 2);
  const version = packVersion({ revision: property.modRevision, deleteTime, digest });
  return {
    key,
    placement,
    version,
    source,
    revision: property.modRevision,
    live: deleteTime === 0n,
    tieDigest: null,
  };
}

/** The version that was prepared, as others get it. */
export function storedOf({ key, source, version }: PreparedVersion): StoredVersion {
  return new EncodedVersion({ key, ...unpackVersion(version), bytes: source, digested: true });
}
