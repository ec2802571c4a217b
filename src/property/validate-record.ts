/**
 * Checks one record that somebody wants to load and finds every problem in it. Knows the three forms of a
 * record: a property, `{"property","deleteTime"}`, and `{"source","deleteTime"}` with the stored text. The
 * form of a property itself is property-from-json.ts's; here are the rules of what may be stored.
 */
import { CodedError } from '../lib/coded-error.ts';
import { sourceDigest } from './digest.ts';
import { findDuplicateMembers } from './duplicate-members.ts';
import { entityBytesMax, joinEntity } from './entity.ts';
import { checkGroupName } from './group-settings.ts';
import type { Property } from './property.ts';
import {
  int64Member,
  type JsonObject,
  noProperty,
  objectAt,
  propertyFromJson,
} from './property-from-json.ts';
import { propertyBytes, propertyBytesMax } from './protobuf-size.ts';
import { completeVersion, type LoadRecord } from './record.ts';
import { Place, ProblemList, type RecordProblem, shortenText } from './record-problem.ts';
import { spellingOf, spellProperty } from './source-json.ts';

export type ValidatedRecord =
  | { readonly record: LoadRecord }
  | { readonly problems: readonly RecordProblem[] };

const versionMembers = new Set(['property', 'deleteTime']);
const requiredText = 'is required and must not be empty';
const sourceMembers = new Set(['source', 'deleteTime', 'id', 'sha', 'timestamp']);

/** The record that `json` is, or every problem it has (at least one). */
export function validateRecord(json: unknown): ValidatedRecord {
  const list = new ProblemList();
  const place = new Place(list, '');
  const isObject = typeof json === 'object' && json !== null;
  const record =
    isObject && 'source' in json
      ? sourceRecord(json, place)
      : isObject && 'property' in json
        ? versionRecord(json, place)
        : plainRecord(json, place);
  return list.problems.length === 0 ? { record } : { problems: list.problems };
}

function plainRecord(json: unknown, place: Place): LoadRecord {
  const property = propertyFromJson(json, place);
  checkProperty(property, json, place);
  return loadRecord(property, 0n);
}

function versionRecord(json: object, place: Place): LoadRecord {
  const members = objectAt(json, place, versionMembers);
  const propertyPlace = place.at('property');
  const property = propertyFromJson(members['property'], propertyPlace);
  checkProperty(property, members['property'], propertyPlace);
  return loadRecord(property, deleteTimeOf(members, place));
}

function loadRecord(property: Property, deleteTime: bigint): LoadRecord {
  const stamped = property.modRevision !== 0n;
  return {
    property: stamped ? completeVersion(property) : property,
    deleteTime,
    stamped,
    createRevisionGiven: property.createRevision !== 0n,
    updatedAtGiven: property.updatedAt !== null,
    spelling: null,
  };
}

// The stored text is taken as it is: nothing is filled in, so that its digest stays the one it was stored with.
function sourceRecord(json: object, place: Place): LoadRecord {
  const members = objectAt(json, place, sourceMembers);
  const deleteTime = deleteTimeOf(members, place);
  const source = members['source'];
  const sourcePlace = place.at('source');
  if (typeof source !== 'string') {
    sourcePlace.add(source, 'must be the stored JSON text, a string');
    return loadRecord(noProperty, deleteTime);
  }
  checkSha(members['sha'], source, deleteTime, place);
  const parsed = parseSourceText(source, sourcePlace);
  if (parsed === undefined) return loadRecord(noProperty, deleteTime);
  const before = place.list.problems.length;
  const property = propertyFromJson(parsed, sourcePlace);
  checkProperty(property, parsed, sourcePlace);
  const metadataPlace = sourcePlace.at('metadata');
  if (
    property !== noProperty &&
    property.modRevision === 0n &&
    !place.list.has(metadataPlace.at('modRevision').field)
  ) {
    metadataPlace.addMember('modRevision', null, 'is required in a stored text, and greater than 0');
  }
  const sound = place.list.problems.length === before;
  if (sound) checkKeys(members, property, place);
  const spelling = spellingOf(source);
  // A text that is spelled as we would spell it cannot hold a member twice; the scan is for the others.
  if (!sound || spellProperty(property, spelling) !== source) {
    for (const { field, name } of findDuplicateMembers(source)) {
      sourcePlace.addMember(field, name, 'stands twice in the same object');
    }
  }
  return {
    property,
    deleteTime,
    stamped: true,
    createRevisionGiven: property.createRevision !== 0n,
    updatedAtGiven: property.updatedAt !== null,
    spelling,
  };
}

// JSON null is a value here; undefined says that the text is no JSON.
function parseSourceText(source: string, place: Place): unknown {
  try {
    return JSON.parse(source) as unknown;
  } catch (error) {
    place.add(source, `is not JSON: ${shortenText(error instanceof Error ? error.message : String(error))}`);
    return undefined;
  }
}

function deleteTimeOf(members: JsonObject, place: Place): bigint {
  const deleteTime = int64Member(members['deleteTime'] ?? undefined, place, 'deleteTime');
  if (deleteTime >= 0n) return deleteTime;
  place.addMember('deleteTime', members['deleteTime'], 'must be 0 for a live version, or greater');
  return 0n;
}

function checkSha(sha: unknown, source: string, deleteTime: bigint, place: Place): void {
  if (sha === undefined || sha === null) return;
  // A wrong delete time is told already and would only make the digest wrong as well.
  if (place.list.has('deleteTime')) return;
  const digest = sourceDigest(source, deleteTime).toString('hex');
  if (typeof sha !== 'string' || sha.toLowerCase() !== digest) {
    place.addMember('sha', sha, `is not the digest of source and delete time, ${digest}`);
  }
}

function checkKeys(members: JsonObject, property: Property, place: Place): void {
  const id = members['id'] ?? null;
  const expected = `${joinEntity(property)}/${property.modRevision}`;
  if (id !== null && id !== expected) {
    place.addMember('id', id, `is not group/name/id/modRevision of the source, ${shortenText(expected)}`);
  }
  const timestamp = members['timestamp'] ?? undefined;
  if (timestamp === undefined) return;
  const before = place.list.problems.length;
  const value = int64Member(timestamp, place, 'timestamp');
  if (value !== property.modRevision && place.list.problems.length === before) {
    place.addMember('timestamp', timestamp, `is not the modRevision of the source, ${property.modRevision}`);
  }
}

/** Every rule beyond form that a property breaks, each under its field below `place`. */
export function storageProblems(property: Property, place: string): readonly RecordProblem[] {
  const list = new ProblemList();
  const { group, name, id, tags } = property;
  checkProperty(property, { metadata: { group, name }, id, tags }, new Place(list, place));
  return list.problems;
}

/** The rules beyond form. A member whose form is wrong already, or that of what holds it, is not told a second time. */
function checkProperty(property: Property, json: unknown, place: Place): void {
  const { list } = place;
  const formIsGood = list.problems.length === 0;
  const check = (holder: Place, name: string, value: unknown, message: string | null) => {
    if (message === null || list.full) return;
    const told = !formIsGood && [holder.at(name), holder, place].some(({ field }) => list.has(field));
    if (!told) holder.addMember(name, value, message);
  };
  const metadataPlace = place.at('metadata');
  const { group, name, id, modRevision, tags } = property;
  const metadata = memberOf(json, 'metadata');
  check(metadataPlace, 'group', memberOf(metadata, 'group'), groupProblem(group));
  check(metadataPlace, 'name', memberOf(metadata, 'name'), nameProblem(name));
  check(place, 'id', memberOf(json, 'id'), id === '' ? requiredText : null);
  check(metadataPlace, 'modRevision', `${modRevision}`, modRevision < 0n ? 'must be 0 or greater' : null);
  for (let position = 0; position < tags.length; position += 1) {
    if (tags[position]?.key !== '') continue;
    const key = memberOf(memberOf(memberOf(json, 'tags'), position), 'key');
    check(place.at('tags').at(position), 'key', key, requiredText);
  }
  const entityBytes = Buffer.byteLength(joinEntity(property));
  if (entityBytes > entityBytesMax) {
    const message = `group, name and id together have ${entityBytes} bytes, more than ${entityBytesMax}`;
    place.addMember('id', joinEntity(property), message);
  }
  const bytes = propertyBytes(property);
  if (bytes > propertyBytesMax)
    place.add(json, `the property has ${bytes} bytes, more than ${propertyBytesMax}`);
}

/** A member as it was given; undefined where there is none, also for want of an object. */
function memberOf(json: unknown, name: string | number): unknown {
  if (typeof json !== 'object' || json === null || !Object.hasOwn(json, name)) return undefined;
  return (json as Readonly<Record<string | number, unknown>>)[name];
}

function groupProblem(group: string): string | null {
  if (group === '') return requiredText;
  try {
    checkGroupName(group);
    return null;
  } catch (error) {
    if (error instanceof CodedError) return shortenText(error.message);
    throw error;
  }
}

function nameProblem(name: string): string | null {
  if (name === '') return requiredText;
  return name.includes('/') ? 'must not hold a slash: an entity is split at its first two' : null;
}
