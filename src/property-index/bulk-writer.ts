/**
 * Writes many records into a data root, spread over groups and shards: batches per shard, so that a transaction
 * carries thousands of rows, in the order the records came for each shard. Bounded: so many rows wait per shard,
 * so many bytes over all, so many databases are open.
 */
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { yieldToEventLoop } from '../lib/event-loop.ts';
import { joinEntity } from '../property/entity.ts';
import { entityHash, shardOf } from '../property/placement.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { propertyBytes } from '../property/protobuf-size.ts';
import type { LoadRecord } from '../property/record.ts';
import { IndexWriter, type WriteResult } from './index-writer.ts';
import { prepareProperty } from './prepare-version.ts';
import { checkIndexOfGroup, createIndex, type ShardIdentity } from './schema.ts';

/** Rows of one transaction: an fsync is then a small part of its cost. */
const batchRowsMax = 2_000;

/** Bytes of values that wait, over all shards; the fullest shard is written when there are more. */
const waitingBytesMax = 16 * 1024 * 1024;

/** What a record costs beside its values. */
const recordOverheadBytes = 512;

/** Databases open at once: each has a page cache of its own. */
const openWritersMax = 8;

interface Waiting {
  readonly identity: ShardIdentity;
  records: LoadRecord[];
  bytes: number;
}

export interface BulkCounts {
  /** Versions written. */
  readonly applied: number;
  /** Versions older than, or equal to, what was there. */
  readonly kept: number;
}

export interface BulkWriterOptions {
  readonly root: string;
  /** Settings of every group that records may be of; the groups exist. */
  readonly groups: ReadonlyMap<string, GroupSettings>;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

export class BulkWriter implements AsyncDisposable {
  readonly #options: BulkWriterOptions;
  readonly #waiting = new Map<string, Waiting>();
  #waitingBytes = 0;
  /** In order of last use, the longest unused first. */
  readonly #writers = new Map<string, IndexWriter>();
  #applied = 0;
  #kept = 0;

  constructor(options: BulkWriterOptions) {
    this.#options = options;
  }

  /** What was written so far. */
  get counts(): BulkCounts {
    return { applied: this.#applied, kept: this.#kept };
  }

  /** Takes a record; writes a batch now and then, durable when this returns. */
  async add(record: LoadRecord): Promise<void> {
    const { group } = record.property;
    const settings = this.#settingsOf(group);
    const shard = shardOf(entityHash(record.property), settings.shards);
    const name = `${shard}/${group}`;
    const waiting = this.#waiting.get(name) ?? {
      identity: { root: this.#options.root, group, shard },
      records: [],
      bytes: 0,
    };
    this.#waiting.set(name, waiting);
    const bytes = propertyBytes(record.property) + recordOverheadBytes;
    waiting.records.push(record);
    waiting.bytes += bytes;
    this.#waitingBytes += bytes;
    if (waiting.records.length >= batchRowsMax) await this.#write(name, waiting);
    else if (this.#waitingBytes > waitingBytesMax) await this.#writeFullest();
  }

  /** Writes what still waits. */
  async flush(): Promise<void> {
    for (const [name, waiting] of [...this.#waiting]) await this.#write(name, waiting);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const writer of this.#writers.values()) writer.close();
    this.#writers.clear();
  }

  #settingsOf(group: string): GroupSettings {
    const settings = this.#options.groups.get(group);
    assert(settings !== undefined, 'the group of every record was created');
    return settings;
  }

  async #writeFullest(): Promise<void> {
    let fullest: [string, Waiting] | undefined;
    for (const entry of this.#waiting) {
      if (fullest === undefined || entry[1].bytes > fullest[1].bytes) fullest = entry;
    }
    if (fullest !== undefined) await this.#write(...fullest);
  }

  async #write(name: string, waiting: Waiting): Promise<void> {
    this.#waiting.delete(name);
    this.#waitingBytes -= waiting.bytes;
    const { signal } = this.#options;
    await yieldToEventLoop(signal);
    const writer = await this.#writerOf(name, waiting.identity);
    for (const run of alikeRuns(waiting.records)) {
      const results = run.stamped
        ? await applyStamped(writer, run.records, signal)
        : await writer.put(run.records, signal);
      for (const result of results) {
        if (result === 'applied') this.#applied += 1;
        else this.#kept += 1;
      }
    }
  }

  async #writerOf(name: string, identity: ShardIdentity): Promise<IndexWriter> {
    const open = this.#writers.get(name);
    if (open !== undefined) {
      this.#writers.delete(name);
      this.#writers.set(name, open);
      return open;
    }
    const [longestUnused] = this.#writers;
    if (longestUnused !== undefined && this.#writers.size >= openWritersMax) {
      longestUnused[1].close();
      this.#writers.delete(longestUnused[0]);
    }
    const settings = this.#settingsOf(identity.group);
    await createIndex(identity, settings);
    const writer = new IndexWriter(identity, { clock: this.#options.clock });
    this.#writers.set(name, writer);
    checkIndexOfGroup(writer.path, writer.target, settings);
    return writer;
  }
}

/** Runs of records that are all stamped or all not: the order stays, and a long run is one transaction. */
function alikeRuns(records: readonly LoadRecord[]): { stamped: boolean; records: LoadRecord[] }[] {
  const runs: { stamped: boolean; records: LoadRecord[] }[] = [];
  for (const record of records) {
    const last = runs.at(-1);
    if (last?.stamped === record.stamped) last.records.push(record);
    else runs.push({ stamped: record.stamped, records: [record] });
  }
  return runs;
}

function applyStamped(
  writer: IndexWriter,
  records: readonly LoadRecord[],
  signal: AbortSignal | undefined,
): Promise<WriteResult[]> {
  const batch = records.map(({ property, deleteTime }) => {
    const prepared = prepareProperty(property, deleteTime, writer.target);
    if (typeof prepared !== 'string') return prepared;
    const entity = joinEntity(property);
    throw new CodedError('bad-argument', `${entity} cannot be stored: ${prepared}`, { entity });
  });
  return writer.apply(batch, { signal });
}
