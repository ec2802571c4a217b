/**
 * The key of a property. In files and databases, where the group is known, an entity is its *entity key*:
 * name, a zero byte, id, as bytes whose order is the order of the tuple (name, id). The joined string
 * `group/name/id` orders otherwise (`a-b/x` before `a/x`), so it is only for people, hashes and BanyanDB.
 */
import { CodedError } from '../lib/coded-error.ts';

export interface Entity {
  readonly group: string;
  readonly name: string;
  readonly id: string;
}

/** Ceiling of the joined entity in UTF-8 bytes; larger ones are refused where they enter. */
export const entityBytesMax = 8 * 1024;

/** Ceiling of an entity key in bytes: escaping can double a name. */
export const keyBytesMax = 2 * entityBytesMax;

/** `group/name/id`, as BanyanDB joins it and as it stands in every output of ours. */
export function joinEntity(entity: Entity): string {
  return `${entity.group}/${entity.name}/${entity.id}`;
}

/** Inverse of {@link joinEntity}: splits at the first two slashes; an id may hold slashes. */
export function splitEntity(text: string): Entity {
  const first = text.indexOf('/');
  const second = first < 0 ? -1 : text.indexOf('/', first + 1);
  if (first < 1 || second <= first + 1 || second === text.length - 1) {
    throw new CodedError('bad-argument', `an entity is GROUP/NAME/ID, not ${JSON.stringify(text)}`, {
      field: 'entity',
      value: text,
    });
  }
  return { group: text.slice(0, first), name: text.slice(first + 1, second), id: text.slice(second + 1) };
}

// Names with a zero byte or 0x01 are escaped (01 01, 01 02) so that the single zero byte ends the name and byte order stays tuple order.
function escapeName(name: string): string {
  if (!name.includes('\u0001') && !name.includes('\u0000')) return name;
  return name.replaceAll('\u0001', '\u0001\u0002').replaceAll('\u0000', '\u0001\u0001');
}

function unescapeName(name: string): string {
  if (!name.includes('\u0001')) return name;
  return name.replaceAll('\u0001\u0001', '\u0000').replaceAll('\u0001\u0002', '\u0001');
}

/** The entity key of (name, id) within its group. */
export function entityKey(entity: Pick<Entity, 'name' | 'id'>): Buffer {
  return Buffer.from(`${escapeName(entity.name)}\u0000${entity.id}`, 'utf8');
}

/** First key of a name: keys of the name are those from here, below {@link namePrefixEnd}. */
export function namePrefix(name: string): Buffer {
  return Buffer.from(`${escapeName(name)}\u0000`, 'utf8');
}

/** First key after all keys of a name. */
export function namePrefixEnd(name: string): Buffer {
  return Buffer.from(`${escapeName(name)}\u0001`, 'utf8');
}

/** Inverse of {@link entityKey}. Throws `bad-message` for bytes that are no entity key. */
export function parseEntityKey(group: string, key: Buffer): Entity {
  const end = key.indexOf(0);
  if (end < 1 || end === key.length - 1) {
    throw new CodedError('bad-message', `not an entity key: ${key.subarray(0, 64).toString('hex')}`, {
      group,
    });
  }
  return {
    group,
    name: unescapeName(key.toString('utf8', 0, end)),
    id: key.toString('utf8', end + 1),
  };
}
