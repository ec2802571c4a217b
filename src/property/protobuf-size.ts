/** The exact size of a property as a protobuf message (`banyandb.property.v1.Property`), without encoding it. */
import type { Property, Tag, TagValue, Timestamp } from './property.ts';

/** Ceiling of one property in protobuf bytes: messages that carry it stay well below gRPC's usual 4 MiB. */
export const propertyBytesMax = 1024 * 1024;

const twoTo49 = 1n << 49n;
const twoTo56 = 1n << 56n;

/** Size of the property as protobuf, in bytes. */
export function propertyBytes(property: Property): number {
  let bytes = nested(metadataBytes(property)) + stringBytes(property.id);
  for (const tag of property.tags) bytes += nested(tagBytes(tag));
  if (property.updatedAt !== null) bytes += nested(timestampBytes(property.updatedAt));
  return bytes;
}

function metadataBytes(property: Property): number {
  return (
    stringBytes(property.group) +
    stringBytes(property.name) +
    (property.metadataId === 0 ? 0 : 1 + varintBytes(property.metadataId)) +
    int64FieldBytes(property.createRevision) +
    int64FieldBytes(property.modRevision)
  );
}

function tagBytes(tag: Tag): number {
  return stringBytes(tag.key) + (tag.value === null ? 0 : nested(tagValueBytes(tag.value)));
}

function tagValueBytes(value: TagValue): number {
  switch (value.kind) {
    case 'empty':
      return 0;
    case 'null':
      return 2;
    case 'str':
      return nested(stringBytes(value.value));
    case 'strArray':
      return nested(value.value.reduce((sum, item) => sum + nested(Buffer.byteLength(item)), 0));
    case 'int':
      return nested(int64FieldBytes(value.value));
    case 'intArray': {
      if (value.value.length === 0) return nested(0);
      return nested(nested(value.value.reduce((sum, item) => sum + int64Bytes(item), 0)));
    }
    case 'binaryData':
      return nested(value.value.length);
    case 'timestamp':
      return nested(timestampBytes(value.value));
  }
}

function timestampBytes(timestamp: Timestamp): number {
  return int64FieldBytes(timestamp.seconds) + (timestamp.nanos === 0 ? 0 : 1 + varintBytes(timestamp.nanos));
}

// All field numbers are below 16, so a field's tag is one byte.
function nested(length: number): number {
  return 1 + varintBytes(length) + length;
}

function stringBytes(text: string): number {
  return text === '' ? 0 : nested(Buffer.byteLength(text));
}

function int64FieldBytes(value: bigint): number {
  return value === 0n ? 0 : 1 + int64Bytes(value);
}

function int64Bytes(value: bigint): number {
  if (value < 0n) return 10;
  if (value < twoTo49) return varintBytes(Number(value));
  return value < twoTo56 ? 8 : 9;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}
