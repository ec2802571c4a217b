/**
 * Answers queries from the property indexes of this replica, page by page, so that neither a long answer nor a long
 * scan holds anything up. A shard that is not held here is asked of a replica that holds it, where the ids are named.
 */
import { CodedError } from '../lib/coded-error.ts';
import { yieldToEventLoop } from '../lib/event-loop.ts';
import { type HeldShards, holdsShard } from '../peer/held-shards.ts';
import { entityKey, parseEntityKey } from '../property/entity.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { entityHash, shardOf } from '../property/placement.ts';
import type { Property } from '../property/property.ts';
import type { RecordProblem } from '../property/record-problem.ts';
import { propertyBytes } from '../property/protobuf-size.ts';
import { parseSource } from '../property/source-json.ts';
import type { StoredVersion } from '../property/version.ts';
import { openReader } from '../property-index/index-reader.ts';
import type { ShardIdentity } from '../property-index/schema.ts';
import { wrongMembers } from './check-write.ts';
import { compareValues } from './compare-values.ts';
import { type Criteria, matches } from './criteria.ts';
import type { OtherReplicas } from './replicas.ts';

export interface StoreQuery {
  readonly groups: readonly string[];
  /** Null for properties of every name. */
  readonly name: string | null;
  /** None for every id. */
  readonly ids: readonly string[];
  readonly criteria: Criteria | null;
  /** Keys of the tags that are wanted; none for all of them. */
  readonly projection: readonly string[];
  readonly limit: number;
  /** By a tag; properties without it come last. Null for the order of the index: group, shard, name, id. */
  readonly order: { readonly tag: string; readonly descending: boolean } | null;
}

/** What was done in one shard. */
export interface QueryStep {
  readonly group: string;
  readonly shard: number;
  /** Properties looked at. */
  readonly read: number;
  /** Those that were as wanted. */
  readonly matched: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
}

export interface QueryAnswer {
  readonly properties: readonly Property[];
  readonly steps: readonly QueryStep[];
}

export interface QueryParts {
  readonly root: string;
  readonly held: HeldShards;
  readonly replicas: OtherReplicas;
  readonly settings: (group: string) => Promise<GroupSettings>;
  readonly nowNs: () => bigint;
}

/** Ids of one query. */
export const idsMax = 10_000;

/** Bytes of properties in one answer, as protobuf: it is held in memory, here and by who asked. */
export const answerBytesMax = 16 * 1024 * 1024;

/** Rows between two turns of the event loop: a few milliseconds of reading and parsing. */
const pageRows = 200;

/** Throws `bad-argument`, `not-found`, `too-large`, `cancelled`. */
export async function queryShards(
  query: StoreQuery,
  parts: QueryParts,
  signal?: AbortSignal,
): Promise<QueryAnswer> {
  checkQuery(query);
  const gathered = new Gathered(query);
  const steps: QueryStep[] = [];
  for (const group of new Set(query.groups)) {
    const settings = await parts.settings(group);
    for (const [shard, ids] of shardsAsked(group, settings, query)) {
      if (gathered.full) break;
      const startNs = parts.nowNs();
      const before = gathered.matched;
      let read = 0;
      for await (const page of pagesOf({ root: parts.root, group, shard }, ids, query, parts, signal)) {
        await yieldToEventLoop(signal);
        read += page.length;
        for (const version of page) gathered.look(version);
        if (gathered.full) break;
      }
      const matched = gathered.matched - before;
      steps.push({ group, shard, read, matched, startNs, endNs: parts.nowNs() });
    }
  }
  return { properties: gathered.properties(), steps };
}

function checkQuery({ groups, ids, order }: StoreQuery): void {
  const problems: RecordProblem[] = [];
  if (groups.length === 0)
    problems.push({ field: 'groups', value: [], message: 'must name at least one group' });
  if (ids.length > idsMax)
    problems.push({ field: 'ids', value: ids.length, message: `must be at most ${idsMax}` });
  if (order?.tag === '')
    problems.push({ field: 'order_by.tag_name', value: '', message: 'is required: the key of a tag' });
  if (problems.length > 0) throw wrongMembers(problems);
}

/** The shards that can hold what is asked, with the ids to look for in each; null for all. */
function shardsAsked(
  group: string,
  { shards }: GroupSettings,
  { name, ids }: StoreQuery,
): Map<number, readonly string[] | null> {
  const asked = new Map<number, string[] | null>();
  if (name === null || ids.length === 0) {
    for (let shard = 0; shard < shards; shard += 1) asked.set(shard, null);
    return asked;
  }
  for (const id of new Set(ids)) {
    const shard = shardOf(entityHash({ group, name, id }), shards);
    const there = asked.get(shard);
    if (there) there.push(id);
    else asked.set(shard, [id]);
  }
  return new Map([...asked].sort(([a], [b]) => a - b));
}

async function* pagesOf(
  identity: ShardIdentity,
  ids: readonly string[] | null,
  { name }: StoreQuery,
  parts: QueryParts,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly StoredVersion[]> {
  const { group, shard } = identity;
  const keys = name === null ? null : (ids?.map((id) => entityKey({ name, id })) ?? null);
  if (!holdsShard(parts.held, group, shard)) {
    yield await fetchElsewhere(group, shard, keys, parts, signal);
    return;
  }
  using reader = openReader(identity);
  if (reader === null) return;
  if (keys === null) yield* reader.allPages(pageRows, name);
  else {
    for (let start = 0; start < keys.length; start += pageRows) {
      const page = keys.slice(start, start + pageRows).map((key) => reader.get(key));
      yield page.filter((version) => version !== null);
    }
  }
}

async function fetchElsewhere(
  group: string,
  shard: number,
  keys: readonly Buffer[] | null,
  { replicas }: QueryParts,
  signal: AbortSignal | undefined,
): Promise<StoredVersion[]> {
  const holders = replicas.holding(group, shard);
  const places = holders.map(({ place }) => place).join(', ') || 'none that is known';
  const where = `shard ${shard} of group ${group} is not held here; replicas that hold it: ${places}`;
  if (keys === null) {
    const message = `${where}. Ask one of those, or name the ids that are wanted`;
    throw new CodedError('not-found', message, { group, shard, field: 'ids', reason: 'shard not held' });
  }
  const failures: string[] = [];
  for (const holder of holders) {
    try {
      const found: StoredVersion[] = [];
      for await (const page of holder.copy(group, shard).fetch(keys, signal))
        for (const { version } of page) if (version !== null) found.push(version);
      return found;
    } catch (error) {
      if (signal?.aborted) throw error;
      failures.push(CodedError.from(error).message);
    }
  }
  throw new CodedError('unreachable', `${where}; ${failures.join('; ')}`, { group, shard });
}

/** What was found so far, no more than can be in the answer. */
class Gathered {
  readonly #query: StoreQuery;
  readonly #ids: ReadonlySet<string> | null;
  #found: Property[] = [];
  #bytes = 0;
  matched = 0;

  constructor(query: StoreQuery) {
    this.#query = query;
    this.#ids = query.ids.length === 0 ? null : new Set(query.ids);
  }

  /** Nothing that comes can be in the answer. */
  get full(): boolean {
    return this.#query.order === null && this.#found.length >= this.#query.limit;
  }

  look({ key, deleteTime, source }: StoredVersion): void {
    if (deleteTime !== 0n || this.full) return;
    if (this.#ids !== null && !this.#ids.has(parseEntityKey('', key).id)) return;
    const property = parseSource(source);
    const { criteria, order, limit } = this.#query;
    if (criteria !== null && !matches(criteria, property.tags)) return;
    this.matched += 1;
    // Sorted by a tag that the answer need not have: the projection comes last.
    this.#found.push(property);
    this.#bytes += propertyBytes(order === null ? this.#projected(property) : property);
    const over = this.#bytes > answerBytesMax;
    if (order !== null && (over || this.#found.length >= 2 * limit + pageRows)) this.#cut();
    if (this.#bytes > answerBytesMax) throw tooLarge();
  }

  properties(): readonly Property[] {
    this.#cut();
    return this.#found.map((property) => this.#projected(property));
  }

  #cut(): void {
    const { order, limit } = this.#query;
    if (order !== null) this.#found.sort((a, b) => this.#compare(a, b));
    this.#found = this.#found.slice(0, limit);
    this.#bytes = this.#found.reduce((sum, property) => sum + propertyBytes(this.#projected(property)), 0);
  }

  // Equal ones stay in the order in which they were found: sorting is stable.
  #compare(a: Property, b: Property): number {
    const { tag = '', descending = false } = this.#query.order ?? {};
    const [ofA, ofB] = [a, b].map(({ tags }) => tags.find(({ key }) => key === tag)?.value ?? null);
    if (ofA == null || ofB == null) return Number(ofA == null) - Number(ofB == null);
    return descending ? compareValues(ofB, ofA) : compareValues(ofA, ofB);
  }

  #projected(property: Property): Property {
    const { projection } = this.#query;
    if (projection.length === 0) return property;
    return { ...property, tags: property.tags.filter(({ key }) => projection.includes(key)) };
  }
}

function tooLarge(): CodedError {
  const reason = `the answer has more than ${answerBytesMax} bytes; ask for less by limit, ids, criteria or tag_projection`;
  return new CodedError('too-large', reason, { field: 'limit', reason, ceiling: answerBytesMax });
}
