/**
 * A pinned, unchanging view of a property index: a read transaction on a connection of its own, so writers
 * go on meanwhile. It pins the write-ahead log, so whoever opens it closes it as soon as all is read.
 */
import { assert } from '../lib/assert.ts';
import type { Spelling } from '../property/source-json.ts';
import { checkAscending, damagedValue } from './check-value.ts';
import { type Database, guardDatabase, prepare, type Statement } from './database.ts';
import { type IndexTotals, prepareTotals, readTotals } from './index-reader.ts';
import { openPrepared, type ShardIdentity } from './schema.ts';

/** Bytes of a packed leaf before its key. */
export const packedLeafHeadBytes = 4;

/** Rows of a page: enough that a query costs little per row, few enough that a page of the largest keys stays below 40 MiB. */
const pageRows = 2_048;

/** Rows of a page with their values: of the largest values, 1 MiB each, a page is 64 MiB. */
const sourcePageRows = 64;

interface PackedRow {
  readonly packed: Buffer | null;
  readonly last: Buffer | null;
}

/** One row with its value, for builds that spell values anew. */
export interface SourceRow {
  readonly placement: Buffer;
  readonly entity_key: Buffer;
  readonly version: Buffer;
  readonly text: string;
}

export class Snapshot {
  readonly #database: Database;
  readonly path: string;
  readonly spelling: Spelling;
  readonly shards: number;
  readonly totals: IndexTotals;
  readonly #page: Statement<PackedRow>;
  readonly #sourcePage: Statement<StoredSourceRow>;

  /** Opens the index of a shard and pins it as it is now; errors as `openIndex`. */
  constructor(identity: ShardIdentity) {
    const opened = openPrepared(identity, { mode: 'read' }, pin);
    this.#database = opened.database;
    this.path = opened.path;
    this.shards = opened.shards;
    this.spelling = opened.spelling;
    this.totals = opened.pinned;
    this.#page = opened.page;
    this.#sourcePage = opened.sourcePage;
  }

  /**
   * All leaves in key order, a page at a time, packed into one buffer inside SQLite, because making JavaScript
   * values row by row is what a build would otherwise spend its time on. A packed leaf is: u16 low bits of
   * XXH64(entity), u16 length of the key, both big-endian, the key, 80 bytes of packed version.
   */
  *leafRows(): Generator<Buffer> {
    for (let after: Buffer = Buffer.alloc(0); ; ) {
      const row = guardDatabase(this.path, () => this.#page.get(after));
      assert(row !== undefined, 'an aggregate has a row');
      if (row.packed === null || row.last === null) return;
      checkAscending(after, row.last, this.path);
      yield row.packed;
      after = row.last;
    }
  }

  /** All versions with their values in key order, a page at a time. */
  *sourceRows(): Generator<SourceRow[]> {
    for (let after: Buffer = Buffer.alloc(0); ; ) {
      const rows = guardDatabase(this.path, () => this.#sourcePage.all(after));
      const last = rows.at(-1);
      if (last === undefined) return;
      checkAscending(after, last.entity_key, this.path);
      yield rows.map(({ text, ...row }) => {
        if (text === null) throw damagedValue(row.entity_key, this.path, 'is gone');
        return { ...row, text };
      });
      after = last.entity_key;
    }
  }

  close(): void {
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

type StoredSourceRow = Omit<SourceRow, 'text'> & { readonly text: string | null };

function pin(database: Database, path: string) {
  const totals = prepareTotals(database);
  database.exec('BEGIN');
  return {
    pinned: readTotals(totals, path),
    // The cast keeps SQLite from handing the bytes over as UTF-8 text, which would cost more than the scan.
    page: prepare<PackedRow>(
      database,
      `
      SELECT CAST(group_concat(placement || entity_key || version, '') AS BLOB) AS packed,
        max(entity_key) AS last
      FROM (SELECT placement, entity_key, version FROM leaf WHERE entity_key > ? ORDER BY entity_key LIMIT ${pageRows})
    `,
    ),
    sourcePage: prepare<StoredSourceRow>(
      database,
      `
      SELECT placement, entity_key, version, text FROM leaf LEFT JOIN source USING (source_id)
      WHERE entity_key > ? ORDER BY entity_key LIMIT ${sourcePageRows}
    `,
    ),
  };
}
