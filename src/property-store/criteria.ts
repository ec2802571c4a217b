/** What tags have to be for a property to be found, as BanyanDB's criteria have it. Pure. */
import { CodedError } from '../lib/coded-error.ts';
import type { Tag, TagValue } from '../property/property.ts';
import { compareValues } from './compare-values.ts';

/** How a tag is held against a value; the names are BanyanDB's without their prefix. */
export type Operator =
  | 'EQ'
  | 'NE'
  | 'LT'
  | 'GT'
  | 'LE'
  | 'GE'
  | 'HAVING'
  | 'NOT_HAVING'
  | 'IN'
  | 'NOT_IN'
  | 'MATCH';

export interface Condition {
  readonly tag: string;
  readonly operator: Operator;
  readonly value: TagValue;
}

export type Criteria =
  | Condition
  | { readonly every: readonly [Criteria, Criteria] }
  | { readonly some: readonly [Criteria, Criteria] };

/**
 * Throws `bad-argument` for an operator that cannot be held against its value, with `field` and `reason`; what
 * BanyanDB's own PropertyService refuses is refused here too.
 */
export function checkCondition({ operator, value, tag }: Condition, field: string): void {
  const wrong = (at: string, reason: string): CodedError =>
    new CodedError('bad-argument', `${field}.${at}: ${reason}`, {
      field: `${field}.${at}`,
      value: tag,
      reason,
    });
  if (tag === '') throw wrong('name', 'is required: the key of a tag');
  const isArray = value.kind === 'strArray' || value.kind === 'intArray';
  if (operator === 'MATCH') {
    if (value.kind !== 'str') throw wrong('value', 'BINARY_OP_MATCH takes a text');
  } else if (operator === 'IN' || operator === 'NOT_IN') {
    if (!isArray) throw wrong('value', `BINARY_OP_${operator} takes an array of texts or integers`);
  } else if (operator === 'HAVING' || operator === 'NOT_HAVING') {
    if (!isArray && value.kind !== 'str' && value.kind !== 'int')
      throw wrong('value', `BINARY_OP_${operator} takes texts or integers`);
  } else if (value.kind !== 'str' && value.kind !== 'int' && value.kind !== 'timestamp') {
    throw wrong('value', `BINARY_OP_${operator} takes one text, integer or timestamp`);
  }
}

/** Whether tags are as wanted. A tag that is absent equals nothing, is less and greater than nothing, and has nothing. */
export function matches(criteria: Criteria, tags: readonly Tag[]): boolean {
  if ('every' in criteria) return criteria.every.every((part) => matches(part, tags));
  if ('some' in criteria) return criteria.some.some((part) => matches(part, tags));
  const found = tags.find(({ key }) => key === criteria.tag)?.value ?? null;
  return holds(criteria, found);
}

function holds({ operator, value }: Condition, found: TagValue | null): boolean {
  const order = found === null || found.kind !== value.kind ? null : compareValues(found, value);
  switch (operator) {
    case 'EQ':
    // Tags of properties are not analyzed: what matches is the whole text.
    case 'MATCH':
      return order === 0;
    case 'NE':
      return order !== 0;
    case 'LT':
      return order !== null && order < 0;
    case 'LE':
      return order !== null && order <= 0;
    case 'GT':
      return order !== null && order > 0;
    case 'GE':
      return order !== null && order >= 0;
    case 'HAVING':
      return hasAll(found, value);
    case 'NOT_HAVING':
      return !hasAll(found, value);
    case 'IN':
      return isAmong(found, value);
    case 'NOT_IN':
      return !isAmong(found, value);
  }
}

/** Every wanted item is among those of the tag; a single value counts as its one item. */
function hasAll(found: TagValue | null, wanted: TagValue): boolean {
  const has = itemsOf(found);
  return has !== null && (itemsOf(wanted) ?? []).every((item) => has.includes(item));
}

function isAmong(found: TagValue | null, list: TagValue): boolean {
  if (found === null || (found.kind !== 'str' && found.kind !== 'int')) return false;
  return itemsOf(list)?.includes(found.value) ?? false;
}

function itemsOf(value: TagValue | null): readonly (string | bigint)[] | null {
  if (value?.kind === 'str' || value?.kind === 'int') return [value.value];
  if (value?.kind === 'strArray' || value?.kind === 'intArray') return value.value;
  return null;
}
