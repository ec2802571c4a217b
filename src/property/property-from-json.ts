/**
 * The one checker that turns JSON into a Property, for stored text as for what people load. It checks form
 * only (types, ranges, known members); what an entity may be called is validate-record.ts's to say.
 * It runs for every row of bulk loads and repairs, so it makes no strings unless something is wrong.
 */
import { parseBase64 } from './base64.ts';
import type { Property, Tag, TagValue, Timestamp } from './property.ts';
import type { Place } from './record-problem.ts';
import { parseTimestamp } from './timestamp.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

const propertyMembers = new Set(['metadata', 'id', 'tags', 'updatedAt']);
const metadataMembers = new Set(['group', 'name', 'id', 'createRevision', 'modRevision']);
const tagMembers = new Set(['key', 'value']);
const valueMembers = new Set(['value']);
const kinds = new Set(['null', 'str', 'strArray', 'int', 'intArray', 'binaryData', 'timestamp']);

const noMembers: JsonObject = {};

/** Stands where there is no property because of problems. */
export const noProperty: Property = {
  group: '',
  name: '',
  id: '',
  metadataId: 0,
  createRevision: 0n,
  modRevision: 0n,
  tags: [],
  updatedAt: null,
};

const int64Min = -(2n ** 63n);
const int64Max = 2n ** 63n - 1n;
const uint32Max = 4_294_967_295n;
// `-9223372036854775808`; checked before the pattern runs.
const int64CharactersMax = 20;
const integerPattern = /^-?(?:0|[1-9]\d*)$/;

/**
 * The property that `json` describes. Members that are absent or null are unset. What is wrong goes into
 * the place's list, with every other problem, and the property returned then must not be used.
 */
export function propertyFromJson(json: unknown, place: Place): Property {
  const object = objectAt(json, place, propertyMembers);
  if (object === noMembers) return noProperty;
  const metadataPlace = place.at('metadata');
  const metadata = objectAt(object['metadata'], metadataPlace, metadataMembers);
  return {
    group: stringMember(metadata['group'] ?? undefined, metadataPlace, 'group'),
    name: stringMember(metadata['name'] ?? undefined, metadataPlace, 'name'),
    id: stringMember(object['id'] ?? undefined, place, 'id'),
    metadataId: metadataId(metadata['id'] ?? undefined, metadataPlace),
    createRevision: int64Member(metadata['createRevision'] ?? undefined, metadataPlace, 'createRevision'),
    modRevision: int64Member(metadata['modRevision'] ?? undefined, metadataPlace, 'modRevision'),
    tags: tagsOf(object['tags'] ?? undefined, place.at('tags')),
    updatedAt:
      (object['updatedAt'] ?? null) === null
        ? null
        : timestampMember(object['updatedAt'], place, 'updatedAt'),
  };
}

/** The members of a JSON object; a problem, and no members, when it is none. Unknown members are problems. */
export function objectAt(json: unknown, place: Place, known: ReadonlySet<string>): JsonObject {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    place.add(json, json === undefined ? 'is required and must be an object' : 'must be an object');
    return noMembers;
  }
  for (const name in json) {
    if (!known.has(name)) {
      place.addMember(name, (json as JsonObject)[name], `unknown member; known are ${[...known].join(', ')}`);
    }
  }
  return json as JsonObject;
}

/** int64 as decimal text or as a number that JSON carries exactly; 0 when absent. */
export function int64Member(json: unknown, place: Place, name: string | number): bigint {
  if (json === undefined) return 0n;
  if (typeof json === 'number') {
    if (Number.isSafeInteger(json)) return BigInt(json);
    const advice = Number.isInteger(json)
      ? '; a number this large loses digits in JSON, write it as a string'
      : '';
    place.addMember(name, json, `must be an integer${advice}`);
    return 0n;
  }
  if (typeof json !== 'string' || !integerPattern.test(json.slice(0, int64CharactersMax + 1))) {
    place.addMember(name, json, 'must be an integer, as a decimal string or a number');
    return 0n;
  }
  const value = json.length > int64CharactersMax ? int64Max + 1n : BigInt(json);
  if (value < int64Min || value > int64Max) {
    place.addMember(name, json, `must be an int64, ${int64Min} to ${int64Max}`);
    return 0n;
  }
  return value;
}

function stringMember(json: unknown, place: Place, name: string | number): string {
  if (json === undefined) return '';
  if (typeof json !== 'string') {
    place.addMember(name, json, 'must be a string');
    return '';
  }
  if (!json.isWellFormed())
    place.addMember(name, json, 'must be well-formed Unicode; it holds a lone surrogate');
  return json;
}

function metadataId(json: unknown, place: Place): number {
  if (json === undefined) return 0;
  const before = place.list.problems.length;
  const value = int64Member(json, place, 'id');
  if (value >= 0n && value <= uint32Max) return Number(value);
  if (place.list.problems.length === before) place.addMember('id', json, `must be 0 to ${uint32Max}`);
  return 0;
}

function timestampMember(json: unknown, place: Place, name: string): Timestamp {
  const timestamp = typeof json === 'string' ? parseTimestamp(json) : null;
  if (timestamp === null) {
    const message = 'must be an RFC 3339 time with at most 9 digits of fraction, in the years 0001 to 9999';
    place.addMember(name, json, message);
    return { seconds: 0n, nanos: 0 };
  }
  return timestamp;
}

function arrayAt(json: unknown, place: Place): readonly unknown[] {
  if (json === undefined) return [];
  if (Array.isArray(json)) return json;
  place.add(json, 'must be an array');
  return [];
}

function tagsOf(json: unknown, place: Place): Tag[] {
  const tags: Tag[] = [];
  for (const item of arrayAt(json, place)) {
    if (place.list.full) break;
    const tagPlace = place.at(tags.length);
    const tag = objectAt(item, tagPlace, tagMembers);
    const key = stringMember(tag['key'], tagPlace, 'key');
    tags.push({
      key,
      value: tag['value'] === undefined ? null : tagValueOf(tag['value'], tagPlace.at('value')),
    });
  }
  return tags;
}

function tagValueOf(json: unknown, place: Place): TagValue {
  if (json === null) {
    place.add(json, 'must be an object; write {"null":null} for a null value, or leave the member out');
    return { kind: 'empty' };
  }
  const object = objectAt(json, place, kinds);
  let kind: string | null = null;
  for (const name in object) {
    if (!kinds.has(name)) continue;
    if (kind !== null) {
      place.add(json, `a value has at most one member, not ${kind} and ${name}`);
      return { kind: 'empty' };
    }
    kind = name;
  }
  return kind === null ? { kind: 'empty' } : kindOf(kind, object[kind], place);
}

function kindOf(kind: string, json: unknown, place: Place): TagValue {
  switch (kind) {
    case 'null':
      if (json !== null) place.addMember('null', json, 'must be null');
      return { kind };
    case 'binaryData':
      return { kind, value: base64Member(json, place) };
    case 'timestamp':
      return { kind, value: timestampMember(json, place, 'timestamp') };
    default: {
      const inner = place.at(kind);
      return wrappedOf(kind, objectAt(json, inner, valueMembers)['value'], inner);
    }
  }
}

function wrappedOf(kind: string, json: unknown, place: Place): TagValue {
  if (kind === 'str') return { kind, value: stringMember(json, place, 'value') };
  if (kind === 'int') return { kind, value: int64Member(json, place, 'value') };
  const itemsPlace = place.at('value');
  const items = arrayAt(json, itemsPlace);
  if (kind === 'strArray') {
    return { kind, value: items.map((item, position) => stringMember(item, itemsPlace, position)) };
  }
  return { kind: 'intArray', value: items.map((item, position) => int64Member(item, itemsPlace, position)) };
}

function base64Member(json: unknown, place: Place): Buffer {
  const bytes = typeof json === 'string' ? parseBase64(json) : null;
  if (bytes === null) {
    place.addMember('binaryData', json, 'must be base64 text');
    return Buffer.alloc(0);
  }
  return bytes;
}
