/** What applications send and get as BanyanDB's messages, and what the store takes and gives; for every door alike. */
import { randomUUID } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SpanSchema } from '../banyandb/generated/banyandb/common/v1/trace_pb.ts';
import {
  Condition_BinaryOp as BinaryOp,
  type Criteria as WireCriteria,
  LogicalExpression_LogicalOp as LogicalOp,
  Sort,
} from '../banyandb/generated/banyandb/model/v1/criteria_pb.ts';
import {
  type ApplyRequest,
  ApplyRequest_Strategy as WireStrategy,
  type QueryRequest,
  type QueryResponseSchema,
} from '../banyandb/generated/banyandb/property/v1/rpc_pb.ts';
import { fromWireProperty, fromWireValue, toWireProperty } from '../banyandb/node-property.ts';
import { timestampOfNs } from '../property/timestamp.ts';
import { wrongMembers } from './check-write.ts';
import { checkCondition, type Criteria, type Operator } from './criteria.ts';
import type { QueryAnswer, QueryStep, StoreQuery } from './query-shards.ts';
import type { PropertyWrite, Strategy } from './write-edits.ts';

/** Properties of an answer where a query sets no limit, as BanyanDB has it. */
const defaultLimit = 100;

/** Conditions within conditions: deeper ones are no people's. */
const criteriaDepthMax = 32;

/** Throws `bad-argument`. */
export function readWrite({ property, strategy }: ApplyRequest): PropertyWrite {
  if (property === undefined) throw wrong('property', 'is required');
  return { property: fromWireProperty(property), strategy: readStrategy(strategy) };
}

export function readStrategy(strategy: WireStrategy): Strategy {
  if (strategy === WireStrategy.REPLACE) return 'replace';
  if (strategy === WireStrategy.MERGE || strategy === WireStrategy.UNSPECIFIED) return 'merge';
  throw wrong('strategy', `must be STRATEGY_MERGE or STRATEGY_REPLACE, not ${strategy}`);
}

/** Throws `bad-argument`. */
export function readQuery(request: QueryRequest): StoreQuery {
  const { groups, name, ids, criteria, tagProjection, limit, orderBy } = request;
  return {
    groups,
    name: name === '' ? null : name,
    ids,
    criteria: criteria === undefined ? null : readCriteria(criteria, 'criteria', 0),
    projection: tagProjection,
    limit: limit === 0 ? defaultLimit : limit,
    order: orderBy === undefined ? null : { tag: orderBy.tagName, descending: orderBy.sort === Sort.DESC },
  };
}

function readCriteria({ exp }: WireCriteria, field: string, depth: number): Criteria {
  if (depth > criteriaDepthMax) throw wrong(field, `is nested deeper than ${criteriaDepthMax}`);
  if (exp.case === 'condition') {
    const at = `${field}.condition`;
    const { name: tag, op, value, matchOption } = exp.value;
    const operator = operatorNames.get(op);
    if (operator === undefined) throw wrong(`${at}.op`, `is no operator: ${op}`);
    if (value === undefined) throw wrong(`${at}.value`, 'is required');
    if (matchOption !== undefined && matchOption.analyzer !== '')
      throw wrong(
        `${at}.match_option.analyzer`,
        'is not offered: tags of properties are matched as they are',
      );
    const condition = { tag, operator, value: fromWireValue(value) };
    checkCondition(condition, at);
    return condition;
  }
  if (exp.case !== 'le') throw wrong(field, 'must hold a condition or a logical expression (le)');
  const { op, left, right } = exp.value;
  const at = `${field}.le`;
  const sides = [left, right].flatMap((side, position) =>
    side === undefined ? [] : [readCriteria(side, `${at}.${position === 0 ? 'left' : 'right'}`, depth + 1)],
  );
  const [first, second] = sides;
  if (first === undefined) throw wrong(at, 'must have a left or a right side');
  // As BanyanDB has it: with one side, that side is the whole, whatever the operator.
  if (second === undefined) return first;
  if (op === LogicalOp.AND) return { every: [first, second] };
  if (op === LogicalOp.OR) return { some: [first, second] };
  throw wrong(`${at}.op`, 'must be LOGICAL_OP_AND or LOGICAL_OP_OR');
}

const operatorNames: ReadonlyMap<BinaryOp, Operator> = new Map([
  [BinaryOp.EQ, 'EQ'],
  [BinaryOp.NE, 'NE'],
  [BinaryOp.LT, 'LT'],
  [BinaryOp.GT, 'GT'],
  [BinaryOp.LE, 'LE'],
  [BinaryOp.GE, 'GE'],
  [BinaryOp.HAVING, 'HAVING'],
  [BinaryOp.NOT_HAVING, 'NOT_HAVING'],
  [BinaryOp.IN, 'IN'],
  [BinaryOp.NOT_IN, 'NOT_IN'],
  [BinaryOp.MATCH, 'MATCH'],
]);

/** The answer to a query; with a trace where it asked for one. */
export function answerMessage(
  { properties, steps }: QueryAnswer,
  { trace }: QueryRequest,
): MessageInitShape<typeof QueryResponseSchema> {
  return {
    properties: properties.map(toWireProperty),
    ...(trace && { trace: { traceId: randomUUID(), spans: steps.map(spanOf) } }),
  };
}

function spanOf({
  group,
  shard,
  read,
  matched,
  startNs,
  endNs,
}: QueryStep): MessageInitShape<typeof SpanSchema> {
  return {
    startTime: timestampOfNs(startNs),
    endTime: timestampOfNs(endNs),
    duration: endNs - startNs,
    message: 'shard',
    tags: Object.entries({ group, shard, read, matched }).map(([key, value]) => ({
      key,
      value: String(value),
    })),
  };
}

function wrong(field: string, message: string) {
  return wrongMembers([{ field, value: null, message }]);
}
