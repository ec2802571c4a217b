/** A plain protobuf encoder of properties, written for clarity and used to check sizes against. */
import type { Property, TagValue, Timestamp } from '../../src/property/property.ts';

export function encodeProperty(property: Property): Buffer {
  const metadata = Buffer.concat([
    text(1, property.group),
    text(2, property.name),
    number(3, BigInt(property.metadataId)),
    number(4, property.createRevision),
    number(5, property.modRevision),
  ]);
  const tags = property.tags.map(({ key, value }) => {
    return bytes(
      3,
      Buffer.concat([text(1, key), value === null ? Buffer.alloc(0) : bytes(2, tagValue(value))]),
    );
  });
  const updatedAt = property.updatedAt === null ? [] : [bytes(4, timestamp(property.updatedAt))];
  return Buffer.concat([bytes(1, metadata), text(2, property.id), ...tags, ...updatedAt]);
}

function tagValue(value: TagValue): Buffer {
  switch (value.kind) {
    case 'empty':
      return Buffer.alloc(0);
    case 'null':
      return Buffer.from([0x08, 0x00]);
    case 'str':
      return bytes(2, text(1, value.value));
    case 'strArray':
      return bytes(3, Buffer.concat(value.value.map((item) => bytes(1, Buffer.from(item)))));
    case 'int':
      return bytes(4, number(1, value.value));
    case 'intArray': {
      const packed = Buffer.concat(value.value.map(varint));
      return bytes(5, packed.length === 0 ? packed : bytes(1, packed));
    }
    case 'binaryData':
      return bytes(6, value.value);
    case 'timestamp':
      return bytes(7, timestamp(value.value));
  }
}

function timestamp({ seconds, nanos }: Timestamp): Buffer {
  return Buffer.concat([number(1, seconds), number(2, BigInt(nanos))]);
}

function bytes(field: number, content: Buffer): Buffer {
  return Buffer.concat([varint(BigInt(field * 8 + 2)), varint(BigInt(content.length)), content]);
}

function text(field: number, content: string): Buffer {
  return content === '' ? Buffer.alloc(0) : bytes(field, Buffer.from(content));
}

function number(field: number, value: bigint): Buffer {
  return value === 0n ? Buffer.alloc(0) : Buffer.concat([varint(BigInt(field * 8)), varint(value)]);
}

function varint(value: bigint): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 128n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  return Buffer.from([...out, Number(rest)]);
}
