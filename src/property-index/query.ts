/** Turns a property query into SQL: by name, ids, tag equality; ordered and paged. */
import { CodedError } from '../lib/coded-error.ts';
import { entityKey, namePrefix, namePrefixEnd } from '../property/entity.ts';

export interface PropertyQuery {
  /** Without a name every property of the shard is meant. */
  readonly name?: string;
  /** Only with a name; at most {@link idsMax}. */
  readonly ids?: readonly string[];
  /** At most {@link tagConditionsMax}; all must hold. A text equals a string value or one of a string array, a bigint an int value or one of an int array, null a null value. */
  readonly tags?: readonly TagCondition[];
  /** Also give tombstones; false by default. */
  readonly deleted?: boolean;
  /** By entity (default) or by revision; ties by entity. */
  readonly order?: { readonly by: 'entity' | 'revision'; readonly descending?: boolean };
  /** 1 to {@link pageRowsMax}; default 100. */
  readonly limit?: number;
  readonly offset?: number;
}

export interface TagCondition {
  readonly key: string;
  readonly value: string | bigint | null;
}

/** Ids of one query: each is a bound value, and SQLite takes 32,766 of them. */
export const idsMax = 10_000;

/** Tag conditions of one query: SQLite nests them and takes an expression a thousand deep. */
export const tagConditionsMax = 100;

/** Rows of one page: they are held in memory. */
export const pageRowsMax = 10_000;

const defaultLimit = 100;

// A live version's delete time is bytes 9 to 16 of the packed version: zero with the sign bit flipped.
const liveDeleteTime = "x'8000000000000000'";

export function buildQuery(query: PropertyQuery & { readonly count?: boolean }): {
  sql: string;
  parameters: unknown[];
} {
  const conditions: string[] = [];
  const parameters: unknown[] = [];
  if (query.ids !== undefined) {
    const { name } = query;
    if (name === undefined)
      throw new CodedError('bad-argument', 'a query by ids needs a name', { field: 'ids' });
    if (query.ids.length > idsMax) {
      throw new CodedError('bad-argument', `a query takes at most ${idsMax} ids, not ${query.ids.length}`, {
        field: 'ids',
      });
    }
    conditions.push(`entity_key IN (${query.ids.map(() => '?').join(', ')})`);
    parameters.push(...query.ids.map((id) => entityKey({ name, id })));
  } else if (query.name !== undefined) {
    conditions.push('entity_key >= ? AND entity_key < ?');
    parameters.push(namePrefix(query.name), namePrefixEnd(query.name));
  }
  if (query.deleted !== true) conditions.push(`substr(version, 9, 8) = ${liveDeleteTime}`);
  const tags = query.tags ?? [];
  if (tags.length > tagConditionsMax) {
    throw new CodedError(
      'bad-argument',
      `a query takes at most ${tagConditionsMax} tags, not ${tags.length}`,
      { field: 'tags' },
    );
  }
  for (const tag of tags) {
    conditions.push(tagCondition(tag.value));
    parameters.push(tag.key, ...(tag.value === null ? [] : [String(tag.value)]));
  }
  const from = 'FROM leaf JOIN source USING (source_id)';
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  if (query.count === true) return { sql: `SELECT count(*) ${from} ${where}`, parameters };
  parameters.push(checkLimit(query.limit ?? defaultLimit), checkOffset(query.offset ?? 0));
  return {
    sql: `SELECT entity_key, version, text ${from} ${where} ${orderBy(query)} LIMIT ? OFFSET ?`,
    parameters,
  };
}

function tagCondition(value: TagCondition['value']): string {
  const tag = "json_each(source.text, '$.tags') AS tag WHERE tag.value ->> '$.key' = ?";
  if (value === null) {
    return `EXISTS (SELECT 1 FROM ${tag} AND json_type(tag.value, '$.value.null') = 'null')`;
  }
  const kind = typeof value === 'bigint' ? 'int' : 'str';
  // An unset value is the default of its kind: an empty text, zero.
  const scalar = `coalesce(tag.value ->> '$.value.${kind}.value', iif(json_type(tag.value, '$.value.${kind}') IS NULL, NULL, '${kind === 'int' ? '0' : ''}'))`;
  const element = `SELECT element.value FROM json_each(tag.value, '$.value.${kind}Array.value') AS element`;
  return `EXISTS (SELECT 1 FROM ${tag} AND ? IN (SELECT ${scalar} UNION ALL ${element}))`;
}

function orderBy(query: PropertyQuery): string {
  const direction = query.order?.descending === true ? 'DESC' : 'ASC';
  if (query.order?.by === 'revision')
    return `ORDER BY substr(version, 1, 8) ${direction}, entity_key ${direction}`;
  return `ORDER BY entity_key ${direction}`;
}

function checkLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > pageRowsMax) {
    throw new CodedError('bad-argument', `limit must be 1 to ${pageRowsMax}, not ${limit}`, {
      field: 'limit',
      value: limit,
    });
  }
  return limit;
}

function checkOffset(offset: number): number {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new CodedError('bad-argument', `offset must be 0 or more, not ${offset}`, {
      field: 'offset',
      value: offset,
    });
  }
  return offset;
}
