/** Properties as BanyanDB's messages, and back; and what a node cannot take. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { joinEntity } from '../property/entity.ts';
import type { Property, Tag, TagValue, Timestamp } from '../property/property.ts';
import { propertyBytes, propertyBytesMax } from '../property/protobuf-size.ts';
import type {
  PropertySchema,
  Property as WireProperty,
} from './generated/banyandb/property/v1/property_pb.ts';
import type {
  TagSchema,
  TagValueSchema,
  Tag as WireTag,
  TagValue as WireTagValue,
} from './generated/banyandb/model/v1/model_pb.ts';

export function toWireProperty(property: Property): MessageInitShape<typeof PropertySchema> {
  const { group, name, metadataId, createRevision, modRevision, id, tags, updatedAt } = property;
  return {
    metadata: { group, name, id: metadataId, createRevision, modRevision },
    id,
    tags: tags.map(toWireTag),
    ...(updatedAt !== null && { updatedAt }),
  };
}

export function fromWireProperty({ metadata, id, tags, updatedAt }: WireProperty): Property {
  return {
    group: metadata?.group ?? '',
    name: metadata?.name ?? '',
    id,
    metadataId: metadata?.id ?? 0,
    createRevision: metadata?.createRevision ?? 0n,
    modRevision: metadata?.modRevision ?? 0n,
    tags: tags.map(fromWireTag),
    updatedAt: updatedAt === undefined ? null : timestampOf(updatedAt),
  };
}

/** Document id: GROUP/NAME/ID/REVISION. */
export function documentId(property: Property): Buffer {
  return Buffer.from(`${joinEntity(property)}/${property.modRevision}`);
}

/**
 * Why a node must not be sent this property, with what would help; null where it can take it. An empty array of
 * integers breaks its receiving end, for good where it receives as a client of another node, which would hand it on.
 */
export function whyNodeCannotTake(property: Property): string | null {
  if (property.name.includes('/')) {
    return 'its name holds a slash, so that the node cannot find it; give it another name';
  }
  const bytes = propertyBytes(property);
  if (bytes > propertyBytesMax) {
    return `it has ${bytes} bytes, the ceiling is ${propertyBytesMax}; write it anew in parts`;
  }
  for (const { key, value } of property.tags) {
    const tag = JSON.stringify(key);
    if (value === null || value.kind === 'empty') {
      return `tag ${tag} has no value, and the node would drop the property in silence; write it anew with a value or null`;
    }
    if (value.kind === 'intArray' && value.value.length === 0) {
      return `tag ${tag} is an empty array of integers, which ends the node's repair for good; write it anew as null`;
    }
  }
  return null;
}

function toWireTag({ key, value }: Tag): MessageInitShape<typeof TagSchema> {
  return { key, ...(value !== null && { value: toWireValue(value) }) };
}

function toWireValue(value: TagValue): MessageInitShape<typeof TagValueSchema> {
  switch (value.kind) {
    case 'empty':
      return {};
    case 'null':
      return { value: { case: 'null', value: 0 } };
    case 'str':
      return { value: { case: 'str', value: { value: value.value } } };
    case 'strArray':
      return { value: { case: 'strArray', value: { value: [...value.value] } } };
    case 'int':
      return { value: { case: 'int', value: { value: value.value } } };
    case 'intArray':
      return { value: { case: 'intArray', value: { value: [...value.value] } } };
    case 'binaryData':
      return { value: { case: 'binaryData', value: value.value } };
    case 'timestamp':
      return { value: { case: 'timestamp', value: value.value } };
  }
}

function fromWireTag({ key, value }: WireTag): Tag {
  return { key, value: value === undefined ? null : fromWireValue(value) };
}

export function fromWireValue({ value }: WireTagValue): TagValue {
  switch (value.case) {
    case undefined:
      return { kind: 'empty' };
    case 'null':
      return { kind: 'null' };
    case 'str':
      return { kind: 'str', value: value.value.value };
    case 'strArray':
      return { kind: 'strArray', value: value.value.value };
    case 'int':
      return { kind: 'int', value: value.value.value };
    case 'intArray':
      return { kind: 'intArray', value: value.value.value };
    case 'binaryData':
      return { kind: 'binaryData', value: Buffer.from(value.value) };
    case 'timestamp':
      return { kind: 'timestamp', value: timestampOf(value.value) };
  }
}

function timestampOf({ seconds, nanos }: Timestamp): Timestamp {
  return { seconds, nanos };
}
