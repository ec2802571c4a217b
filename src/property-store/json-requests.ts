/**
 * What applications send over HTTP: the JSON that BanyanDB's gateway takes, with its names in either spelling
 * (`tagProjection`, `tag_projection`). Every fault is told with the path of its member.
 */
import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import {
  ApplyRequest_Strategy as WireStrategy,
  type QueryRequest,
  QueryRequestSchema,
  QueryResponseSchema,
} from '../banyandb/generated/banyandb/property/v1/rpc_pb.ts';
import type { Entity } from '../property/entity.ts';
import { propertyFromJson } from '../property/property-from-json.ts';
import { Place, ProblemList } from '../property/record-problem.ts';
import { wrongMembers } from './check-write.ts';
import type { QueryAnswer } from './query-shards.ts';
import { answerMessage, readStrategy } from './store-messages.ts';
import type { PropertyWrite } from './write-edits.ts';

type JsonObject = Readonly<Record<string, unknown>>;

const requestMembers = ['property', 'strategy'];

/** The write of the property that a path names. Throws `bad-argument` with every problem. */
export function writeFromJson(path: Entity, body: unknown): PropertyWrite {
  const list = new ProblemList();
  if (!isObject(body)) throw wrongMembers([{ field: '', value: body, message: 'an object is wanted' }]);
  for (const name of Object.keys(body))
    if (!requestMembers.includes(name)) list.add(name, body[name], 'unknown member');
  const given = camelNames(body['property'] ?? {});
  const place = new Place(list, 'property');
  const named = isObject(given) ? given : {};
  const metadata = named['metadata'] ?? {};
  for (const [field, holder, told, wanted] of [
    ['metadata.group', metadata, 'group', path.group],
    ['metadata.name', metadata, 'name', path.name],
    ['id', named, 'id', path.id],
  ] as const) {
    const value = isObject(holder) ? holder[told] : undefined;
    if (value !== undefined && value !== wanted)
      list.add(`property.${field}`, value, `is not that of the path, ${JSON.stringify(wanted)}`);
  }
  const { group, name, id } = path;
  const whole = isObject(given)
    ? { ...given, metadata: isObject(metadata) ? { ...metadata, group, name } : metadata, id }
    : given;
  const property = propertyFromJson(whole, place);
  const strategy = strategies.get(body['strategy'] ?? 0);
  if (strategy === undefined)
    list.add('strategy', body['strategy'], 'must be STRATEGY_MERGE or STRATEGY_REPLACE');
  if (list.problems.length > 0) throw wrongMembers(list.problems);
  return { property, strategy: readStrategy(strategy ?? WireStrategy.UNSPECIFIED) };
}

// By name and by number, as protobuf's JSON has it.
const strategies: ReadonlyMap<unknown, WireStrategy> = new Map<unknown, WireStrategy>([
  ['STRATEGY_UNSPECIFIED', WireStrategy.UNSPECIFIED],
  ['STRATEGY_MERGE', WireStrategy.MERGE],
  ['STRATEGY_REPLACE', WireStrategy.REPLACE],
  [0, WireStrategy.UNSPECIFIED],
  [1, WireStrategy.MERGE],
  [2, WireStrategy.REPLACE],
]);

/** Throws `bad-argument`. */
export function queryFromJson(body: unknown): QueryRequest {
  try {
    return fromJson(QueryRequestSchema, (body ?? {}) as JsonValue);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // "cannot decode field banyandb.property.v1.QueryRequest.limit from JSON: …", "… key \"x\" is unknown".
    const [, field = /key "([^"]*)" is unknown/.exec(text)?.[1] ?? ''] =
      /field \S*\.(\w+) from/.exec(text) ?? [];
    throw wrongMembers([{ field, value: null, message: text.replace(/^.* from JSON: /, '') }]);
  }
}

/** An answer as the gateway spells it: members that are not set are there with their defaults. */
export function answerJson(answer: QueryAnswer, request: QueryRequest): object {
  const message = create(QueryResponseSchema, answerMessage(answer, request));
  const json = toJson(QueryResponseSchema, message, { alwaysEmitImplicit: true });
  return { ...(json as object), trace: (json as { trace?: object }).trace ?? null };
}

const camelCased: ReadonlyMap<string, string> = new Map([
  ['create_revision', 'createRevision'],
  ['mod_revision', 'modRevision'],
  ['updated_at', 'updatedAt'],
  ['str_array', 'strArray'],
  ['int_array', 'intArray'],
  ['binary_data', 'binaryData'],
]);

function camelNames(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(camelNames);
  if (!isObject(json)) return json;
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [camelCased.get(name) ?? name, camelNames(value)]),
  );
}

function isObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
