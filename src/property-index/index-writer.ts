/**
 * Writes into one shard's property index. Every change is an apply by the total order inside one durable
 * transaction, which also raises the write sequence, sets a new token and keeps the counts, so that the
 * watermark tells whether anything changed. Writers of several processes take turns.
 */
import { randomBytes } from 'node:crypto';
import { assert } from '../lib/assert.ts';
import { compareBytes } from '../lib/bytes.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { sourceDigest } from '../property/digest.ts';
import { type Entity, entityKey, joinEntity } from '../property/entity.ts';
import type { Property } from '../property/property.ts';
import { type LoadRecord, stampRecord } from '../property/record.ts';
import { parseSource, spellProperty, unlikeDecidedIn } from '../property/source-json.ts';
import { digestBytes, type Version } from '../property/version.ts';
import { checkValue, damagedValue, storedVersion } from './check-value.ts';
import { type Database, prepare, type Statement, writeTransaction } from './database.ts';
import { deleteEdit, type Edit, type EditedVersion, type EditOutcome, type EditResult } from './edit.ts';
import { type PreparedVersion, type PrepareTarget, prepareProperty, storedOf } from './prepare-version.ts';
import { openPrepared, type ShardIdentity, writeTokenBytes } from './schema.ts';

const int64Max = 2n ** 63n - 1n;

/** What became of one version: kept means an equal or greater one was there, withheld that the caller's fuse said no. */
export type WriteResult = 'applied' | 'kept' | 'withheld';

export interface WriterOptions {
  readonly clock: Clock;
  /** Leave checkpoints to a checkpoint worker. */
  readonly checkpointsElsewhere?: boolean;
}

export interface ApplyBatchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Asked before a live property gives way to a tombstone or other content; false withholds the version. */
  readonly mayReplaceLive?: () => boolean;
}

interface FoundRow {
  readonly version: Buffer;
  readonly source_id: number;
}

interface TotalsRow {
  readonly revision_max: bigint;
  readonly leaf_count: bigint;
  readonly live_count: bigint;
}

/** The shard row's figures while a transaction runs. */
interface Totals {
  changed: boolean;
  revisionMax: bigint;
  leaves: number;
  live: number;
}

export class IndexWriter {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly target: PrepareTarget;
  readonly path: string;
  readonly #find: Statement<FoundRow>;
  readonly #readSource: Statement<{ text: string }>;
  readonly #insertSource: Statement;
  readonly #insertLeaf: Statement;
  readonly #updateSource: Statement;
  readonly #updateLeaf: Statement;
  readonly #readTotals: Statement<TotalsRow>;
  readonly #writeTotals: Statement;

  /** Opens the index of a shard for writing; it must exist. Errors as `openIndex`. */
  constructor(identity: ShardIdentity, options: WriterOptions) {
    const { checkpointsElsewhere = false, clock } = options;
    const opened = openPrepared(identity, { mode: 'write', checkpointsElsewhere }, prepareWrites);
    const { database, path, shards, spelling } = opened;
    this.#database = database;
    this.#clock = clock;
    this.path = path;
    this.target = { group: identity.group, shard: identity.shard, shards, spelling };
    this.#find = opened.find;
    this.#readSource = opened.readSource;
    this.#insertSource = opened.insertSource;
    this.#insertLeaf = opened.insertLeaf;
    this.#updateSource = opened.updateSource;
    this.#updateLeaf = opened.updateLeaf;
    this.#readTotals = opened.readTotals;
    this.#writeTotals = opened.writeTotals;
  }

  /** Applies a batch by the total order in one durable transaction; results in the batch's order. */
  apply(batch: readonly PreparedVersion[], options: ApplyBatchOptions = {}): Promise<WriteResult[]> {
    return this.#transaction(options.signal, (totals) =>
      batch.map((prepared) => this.#applyOne(prepared, totals, options.mayReplaceLive)),
    );
  }

  /** Writes records: those without a revision are stamped greater than anything the shard has seen. */
  put(records: readonly LoadRecord[], signal?: AbortSignal): Promise<WriteResult[]> {
    return this.#transaction(signal, (totals) =>
      records.map((record) => this.#applyOne(this.#prepareRecord(record, totals), totals)),
    );
  }

  /**
   * Decides and writes one edit after another in one durable transaction; an edit sees what those before it wrote.
   * Results in order.
   */
  edit(edits: readonly Edit[], signal?: AbortSignal): Promise<EditResult[]> {
    return this.#transaction(signal, (totals) => edits.map((edit) => this.#editOne(edit, totals)));
  }

  /**
   * Deletes an entity: its newest version gets a delete time, as a version of its own. Returns the tombstone,
   * also when it was deleted already; null where the entity is absent.
   */
  async delete(entity: Entity, signal?: AbortSignal): Promise<Version | null> {
    const [result] = await this.edit([deleteEdit(entity, this.#clock)], signal);
    assert(result !== undefined, 'every edit has a result');
    if ('error' in result) throw result.error;
    if (result.written === null) return result.before;
    const { revision, deleteTime, digest } = result.written;
    return { revision, deleteTime, digest };
  }

  close(): void {
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #transaction<Result>(signal: AbortSignal | undefined, work: (totals: Totals) => Result): Promise<Result> {
    return writeTransaction(this.#database, { clock: this.#clock, signal }, () => {
      const row = this.#readTotals.get();
      if (row === undefined) throw this.#damaged('its shard row is gone');
      const totals: Totals = {
        changed: false,
        revisionMax: row.revision_max,
        leaves: Number(row.leaf_count),
        live: Number(row.live_count),
      };
      const result = work(totals);
      if (totals.changed) {
        crashPoint('index:totals');
        this.#writeTotals.run(randomBytes(writeTokenBytes), totals.revisionMax, totals.leaves, totals.live);
      }
      return result;
    });
  }

  #editOne({ entity, decide }: Edit, totals: Totals): EditResult {
    const found = this.#find.get(entityKey(entity));
    const before = found === undefined ? null : storedVersion(found.version, this.path);
    const current =
      found === undefined || before === null
        ? null
        : { property: this.#property(entityKey(entity), found), deleteTime: before.deleteTime };
    const decided = this.#decide(() => decide(current, (seen) => this.#nextRevision(totals, seen)));
    if (decided === null) return { before, written: null };
    if (decided instanceof CodedError) return { error: decided };
    const written = this.#applyOne(decided, totals) === 'applied';
    return { before, written: written ? storedOf(decided) : null } satisfies EditOutcome;
  }

  // What an edit itself refuses, or decides and cannot be stored, is its own failure and not the transaction's.
  #decide(decide: () => EditedVersion | null): PreparedVersion | CodedError | null {
    try {
      const decided = decide();
      return decided && this.#prepare(decided);
    } catch (error) {
      if (error instanceof CodedError) return error;
      throw error;
    }
  }

  #applyOne(prepared: PreparedVersion, totals: Totals, mayReplaceLive?: () => boolean): WriteResult {
    const found = this.#find.get(prepared.key);
    if (found === undefined) {
      const sourceId = this.#insertSource.run(prepared.source).lastInsertRowid;
      crashPoint('index:source-in');
      this.#insertLeaf.run(prepared.key, prepared.placement, prepared.version, sourceId);
      totals.leaves += 1;
      if (prepared.live) totals.live += 1;
    } else {
      // An older or equal version is kept out, whoever speaks first.
      if (this.#compareToStored(prepared, found) <= 0) return 'kept';
      const wasLive = storedVersion(found.version, this.path).deleteTime === 0n;
      if (wasLive && mayReplaceLive?.() === false) return 'withheld';
      // A value that went nowhere would be acknowledged, and lost.
      if (this.#updateSource.run(prepared.source, found.source_id).changes !== 1)
        throw damagedValue(prepared.key, this.path, 'is gone');
      crashPoint('index:source-over');
      this.#updateLeaf.run(prepared.version, prepared.key);
      totals.live += Number(prepared.live) - Number(wasLive);
    }
    if (prepared.revision > totals.revisionMax) totals.revisionMax = prepared.revision;
    totals.changed = true;
    crashPoint('index:row');
    return 'applied';
  }

  // The packed bytes order as versions do. Only a tie with what came in another spelling has to be decided in that
  // one: who sent it decides so too, and both must choose the same.
  #compareToStored({ key, version, tieDigest }: PreparedVersion, found: FoundRow): number {
    const order = compareBytes(version, found.version);
    const { deleteTime } = storedVersion(found.version, this.path);
    const timeBytes = version.length - digestBytes;
    if (order === 0 || tieDigest === null || version.compare(found.version, 0, timeBytes, 0, timeBytes) !== 0)
      return order;
    const spelled = spellProperty(this.#property(key, found), unlikeDecidedIn);
    return compareBytes(tieDigest, sourceDigest(spelled, deleteTime));
  }

  #prepareRecord(record: LoadRecord, totals: Totals): PreparedVersion {
    const property = record.stamped
      ? record.property
      : stampRecord(record, {
          revision: this.#nextRevision(totals, 0n),
          previousCreateRevision: this.#createRevision(record),
        });
    return this.#prepare({ property, deleteTime: record.deleteTime });
  }

  #prepare({ property, deleteTime }: EditedVersion): PreparedVersion {
    const prepared = prepareProperty(property, deleteTime, this.target);
    if (typeof prepared !== 'string') return prepared;
    const entity = joinEntity(property);
    throw new CodedError('bad-argument', `${entity} cannot be stored: ${prepared}`, { entity });
  }

  // max(now, greatest revision seen + 1): a slow clock never makes a write that loses to what is there, or to what its
  // author has seen elsewhere.
  #nextRevision(totals: Totals, seen: bigint): bigint {
    const now = this.#clock.nowNs();
    const greatest = seen > totals.revisionMax ? seen : totals.revisionMax;
    if (now > greatest) return now;
    if (greatest === int64Max) {
      const { group, shard } = this.target;
      const message = `shard ${shard} of group ${group} holds the greatest revision there is: no write is newer`;
      throw new CodedError('refused', message, { path: this.path, group, shard });
    }
    return greatest + 1n;
  }

  #createRevision(record: LoadRecord): bigint | null {
    const key = entityKey(record.property);
    const found = this.#find.get(key);
    if (found === undefined || storedVersion(found.version, this.path).deleteTime !== 0n) return null;
    return this.#property(key, found).createRevision;
  }

  // What a write is made of must be what was stored: damage is not written on.
  #property(key: Buffer, { version, source_id }: FoundRow): Property {
    const source = this.#readSource.get(source_id)?.text;
    if (source === undefined) throw damagedValue(key, this.path, 'is gone');
    checkValue({ key, source, ...storedVersion(version, this.path) }, this.path);
    return parseSource(source);
  }

  #damaged(why: string): CodedError {
    return new CodedError('damaged-database', `database ${this.path} is damaged: ${why}`, {
      path: this.path,
    });
  }
}

function prepareWrites(database: Database) {
  return {
    find: prepare<FoundRow>(database, 'SELECT version, source_id FROM leaf WHERE entity_key = ?'),
    readSource: prepare<{ text: string }>(database, 'SELECT text FROM source WHERE source_id = ?'),
    insertSource: database.prepare('INSERT INTO source (text) VALUES (CAST(? AS TEXT))'),
    insertLeaf: database.prepare('INSERT INTO leaf VALUES (?, ?, ?, ?)'),
    updateSource: database.prepare('UPDATE source SET text = CAST(? AS TEXT) WHERE source_id = ?'),
    updateLeaf: database.prepare('UPDATE leaf SET version = ? WHERE entity_key = ?'),
    readTotals: prepare<TotalsRow>(
      database,
      'SELECT revision_max, leaf_count, live_count FROM shard',
    ).safeIntegers(),
    writeTotals: database.prepare(`
      UPDATE shard SET write_sequence = write_sequence + 1, write_token = ?,
        revision_max = ?, leaf_count = ?, live_count = ?
    `),
  };
}
