/**
 * Reads from one shard's property index as it is now: single properties, counts, queries, the watermark.
 * Never sees half a write. For a view that stands still, see snapshot.ts.
 */
import { assert } from '../lib/assert.ts';
import { toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { EncodedVersion } from '../property/encoded-version.ts';
import { namePrefix, namePrefixEnd } from '../property/entity.ts';
import type { Watermark } from '../property/watermark.ts';
import type { Spelling } from '../property/source-json.ts';
import type { StoredVersion } from '../property/version.ts';
import { checkAscending, checkValue, damagedValue, storedVersion } from './check-value.ts';
import { type Database, guardDatabase, prepare, type Statement } from './database.ts';
import { buildQuery, type PropertyQuery } from './query.ts';
import { openPrepared, type ShardIdentity } from './schema.ts';

/** Figures kept by every write. */
export interface IndexTotals {
  readonly leaves: number;
  readonly live: number;
  readonly watermark: Watermark;
}

interface StoredRow {
  readonly entity_key: Buffer;
  readonly version: Buffer;
  /** Null where the leaf's value is gone. */
  readonly text: string | null;
}

/** Position of the key asked, packed version, value as UTF-8. */
type FoundRow = readonly [number, Buffer | null, Buffer | null];

interface TotalsRow {
  readonly leaf_count: bigint;
  readonly live_count: bigint;
  readonly write_sequence: bigint;
  readonly write_token: Buffer;
}

/** Keys are UTF-8, in which this byte does not occur. */
const afterAllKeys = Buffer.of(0xff);

export class IndexReader {
  readonly #database: Database;
  readonly path: string;
  readonly shards: number;
  readonly spelling: Spelling;
  readonly #get: Statement<Omit<StoredRow, 'entity_key'>>;
  readonly #getMany: Statement<FoundRow>;
  readonly #totals: Statement<TotalsRow>;

  /** Opens the index of a shard for reading; it must exist. Errors as `openIndex`. */
  constructor(identity: ShardIdentity) {
    const opened = openPrepared(identity, { mode: 'read' }, prepareReads);
    this.#database = opened.database;
    this.path = opened.path;
    this.shards = opened.shards;
    this.spelling = opened.spelling;
    this.#get = opened.get;
    this.#getMany = opened.getMany;
    this.#totals = opened.totals;
  }

  /** The newest version of an entity, tombstones included; null where it is absent. Its value is as it was found. */
  get(key: Buffer): StoredVersion | null {
    const row = guardDatabase(this.path, () => this.#get.get(key));
    return row === undefined ? null : stored({ ...row, entity_key: key }, this.path);
  }

  /**
   * As {@link get} of each of the first of `keys`, in their order: as many as have `bytesMax` bytes of values, or one more.
   * One read: measured 12 us a value, where single ones take 19.
   */
  getMany(keys: readonly Buffer[], bytesMax: number): (StoredVersion | null)[] {
    return guardDatabase(this.path, () => {
      const versions: (StoredVersion | null)[] = [];
      let bytes = 0;
      for (const [position, version, text] of this.#getMany.iterate(JSON.stringify(keys.map(toHex)))) {
        const key = keys[versions.length];
        assert(key !== undefined && position === versions.length, 'rows come in the order asked');
        versions.push(version === null ? null : encoded(key, { version, text }, this.path));
        bytes += text?.length ?? 0;
        if (bytes >= bytesMax) break;
      }
      return versions;
    });
  }

  /** As {@link get}, for who shows the value. Throws `damaged-database` where it is not the one its digest is of. */
  look(key: Buffer): StoredVersion | null {
    const version = this.get(key);
    if (version !== null) checkValue(version, this.path);
    return version;
  }

  /** Counts and watermark as of the last committed write. */
  totals(): IndexTotals {
    return guardDatabase(this.path, () => readTotals(this.#totals, this.path));
  }

  /** Properties that match, in the asked order, a page at a time. Throws `bad-argument`, `damaged-database`. */
  query(query: PropertyQuery): StoredVersion[] {
    const { sql, parameters } = buildQuery(query);
    const rows = guardDatabase(this.path, () =>
      this.#database.prepare(sql).all(...parameters),
    ) as StoredRow[];
    const versions = rows.map((row) => stored(row, this.path));
    for (const version of versions) checkValue(version, this.path);
    return versions;
  }

  /** How many properties match, disregarding the page. */
  count(query: Omit<PropertyQuery, 'limit' | 'offset' | 'order'>): number {
    const { sql, parameters } = buildQuery({ ...query, count: true });
    return guardDatabase(
      this.path,
      () =>
        this.#database
          .prepare(sql)
          .pluck()
          .get(...parameters) as number,
    );
  }

  /**
   * All newest versions in key order, of one name where it is given, tombstones included, `rows` at a time; each page
   * is a read of its own.
   */
  *allPages(rows: number, name: string | null = null): Generator<StoredVersion[]> {
    const page = prepare<StoredRow>(
      this.#database,
      `
      SELECT entity_key, version, text FROM leaf LEFT JOIN source USING (source_id)
      WHERE entity_key > ? AND entity_key < ? ORDER BY entity_key LIMIT ?
    `,
    );
    const end = name === null ? afterAllKeys : namePrefixEnd(name);
    for (let after = name === null ? Buffer.alloc(0) : namePrefix(name); ; ) {
      const found = guardDatabase(this.path, () =>
        page.all(after, end, rows).map((row) => stored(row, this.path)),
      );
      const last = found.at(-1);
      if (last === undefined) return;
      checkAscending(after, last.key, this.path);
      yield found;
      after = last.key;
    }
  }

  /** The live ones of {@link allPages}. */
  *livePages(rows: number): Generator<StoredVersion[]> {
    for (const page of this.allPages(rows)) yield page.filter((property) => property.deleteTime === 0n);
  }

  close(): void {
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Opens the index of a shard for reading; null where nothing was written to it yet. */
export function openReader(identity: ShardIdentity): IndexReader | null {
  try {
    return new IndexReader(identity);
  } catch (error) {
    if (error instanceof CodedError && error.code === 'not-found') return null;
    throw error;
  }
}

function prepareReads(database: Database) {
  return {
    get: prepare<Omit<StoredRow, 'entity_key'>>(
      database,
      'SELECT version, text FROM leaf LEFT JOIN source USING (source_id) WHERE entity_key = ?',
    ),
    getMany: prepare<FoundRow>(
      database,
      `
      SELECT asked.key, version, CAST(text AS BLOB) FROM json_each(?) AS asked
      LEFT JOIN leaf ON entity_key = unhex(asked.value) LEFT JOIN source USING (source_id)
    `,
    ).raw(),
    totals: prepareTotals(database),
  };
}

/** The statement behind {@link readTotals}. */
export function prepareTotals(database: Database): Statement<TotalsRow> {
  return prepare<TotalsRow>(
    database,
    'SELECT leaf_count, live_count, write_sequence, write_token FROM shard',
  ).safeIntegers();
}

/** Reads the shard row's figures. */
export function readTotals(statement: Statement<TotalsRow>, path: string): IndexTotals {
  const row = statement.get();
  if (row === undefined)
    throw new CodedError('damaged-database', `database ${path} is damaged: its shard row is gone`, { path });
  return {
    leaves: Number(row.leaf_count),
    live: Number(row.live_count),
    watermark: { sequence: row.write_sequence, token: row.write_token.toString('hex') },
  };
}

function encoded(
  key: Buffer,
  { version, text }: { readonly version: Buffer; readonly text: Buffer | null },
  path: string,
): StoredVersion {
  if (text === null) throw damagedValue(key, path, 'is gone');
  return new EncodedVersion({ key, ...storedVersion(version, path), bytes: text, digested: false });
}

function stored({ entity_key: key, version, text }: StoredRow, path: string): StoredVersion {
  // Never taken for absent: a repair would then bring back an older one.
  if (text === null) throw damagedValue(key, path, 'is gone');
  return { key, ...storedVersion(version, path), source: text };
}
