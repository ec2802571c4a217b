/**
 * The stored JSON text of a property, exactly as BanyanDB's Go protojson writes it: members in order of
 * field number, defaults left out, int64 as strings, and after every comma either nothing (`compact`) or one
 * space (`spaced`). A digest is over these bytes, so spelling and parsing are inverse to the byte.
 */
import { CodedError } from '../lib/coded-error.ts';
import { propertyFromJson } from './property-from-json.ts';
import type { Property, Tag, TagValue } from './property.ts';
import { Place, ProblemList, shortenText } from './record-problem.ts';
import { spellTimestamp } from './timestamp.ts';

export type Spelling = 'compact' | 'spaced';

/**
 * Digests in unlike spellings say nothing about each other. Where two versions of the same revision and delete time
 * meet whose copies spell unlike, the digests in this spelling decide, whichever copy it is that asks.
 */
export const unlikeDecidedIn: Spelling = 'compact';

/**
 * The property of a stored text, in either spelling, any order of members and any white space. Throws
 * `bad-records` with `field` and `value` of the first problem.
 */
export function parseSource(text: string): Property {
  const list = new ProblemList();
  const property = propertyFromJson(parseJson(text), new Place(list, ''));
  const problem = list.problems[0];
  if (problem !== undefined) {
    const where = problem.field === '' ? 'the property' : problem.field;
    throw new CodedError('bad-records', `${where}: ${problem.message}`, {
      field: problem.field,
      value: problem.value,
    });
  }
  return property;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const details = { field: '', value: shortenText(text) };
    throw new CodedError('bad-records', `the property is not JSON: ${shortenText(reason)}`, details, {
      cause: error,
    });
  }
}

/** The stored text of a property. Throws `bad-records` for a timestamp outside years 0001 to 9999. */
export function spellProperty(property: Property, spelling: Spelling): string {
  const comma = spelling === 'compact' ? ',' : ', ';
  let text = `{"metadata":{${spellMetadata(property, comma)}}`;
  if (property.id !== '') text += `${comma}"id":${JSON.stringify(property.id)}`;
  if (property.tags.length > 0) {
    text += `${comma}"tags":[`;
    let separator = '';
    for (const tag of property.tags) {
      text += separator + spellTag(tag, comma);
      separator = comma;
    }
    text += ']';
  }
  if (property.updatedAt !== null) text += `${comma}"updatedAt":"${spellTimestamp(property.updatedAt)}"`;
  return `${text}}`;
}

function spellMetadata(property: Property, comma: string): string {
  let text = '';
  if (property.group !== '') text += `${comma}"group":${JSON.stringify(property.group)}`;
  if (property.name !== '') text += `${comma}"name":${JSON.stringify(property.name)}`;
  if (property.metadataId !== 0) text += `${comma}"id":${property.metadataId}`;
  if (property.createRevision !== 0n) text += `${comma}"createRevision":"${property.createRevision}"`;
  if (property.modRevision !== 0n) text += `${comma}"modRevision":"${property.modRevision}"`;
  return text.slice(comma.length);
}

function spellTag(tag: Tag, comma: string): string {
  if (tag.value === null) return tag.key === '' ? '{}' : `{"key":${JSON.stringify(tag.key)}}`;
  const key = tag.key === '' ? '' : `"key":${JSON.stringify(tag.key)}${comma}`;
  return `{${key}"value":${spellTagValue(tag.value, comma)}}`;
}

function spellTagValue(value: TagValue, comma: string): string {
  switch (value.kind) {
    case 'empty':
      return '{}';
    case 'null':
      return '{"null":null}';
    case 'str':
      return value.value === '' ? '{"str":{}}' : `{"str":{"value":${JSON.stringify(value.value)}}}`;
    case 'strArray':
      if (value.value.length === 0) return '{"strArray":{}}';
      return `{"strArray":{"value":[${value.value.map((item) => JSON.stringify(item)).join(comma)}]}}`;
    case 'int':
      return value.value === 0n ? '{"int":{}}' : `{"int":{"value":"${value.value}"}}`;
    case 'intArray':
      if (value.value.length === 0) return '{"intArray":{}}';
      return `{"intArray":{"value":["${value.value.join(`"${comma}"`)}"]}}`;
    case 'binaryData':
      return `{"binaryData":"${value.value.toString('base64')}"}`;
    case 'timestamp':
      return `{"timestamp":"${spellTimestamp(value.value)}"}`;
  }
}

/**
 * Which spelling a stored text is in, told by its first comma outside strings. A text without one reads the
 * same in both and counts as compact.
 */
export function spellingOf(text: string): Spelling {
  for (let position = 0; position < text.length; position += 1) {
    const code = text.charCodeAt(position);
    if (code === 0x2c) return text.charCodeAt(position + 1) === 0x20 ? 'spaced' : 'compact';
    if (code === 0x22) position = endOfString(text, position);
  }
  return 'compact';
}

/** Position of the quote that ends the string whose opening quote is at `start`; the text's length if none does. */
export function endOfString(text: string, start: number): number {
  for (let position = start + 1; position < text.length; position += 1) {
    const code = text.charCodeAt(position);
    if (code === 0x22) return position;
    if (code === 0x5c) position += 1;
  }
  return text.length;
}
