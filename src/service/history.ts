/**
 * What is remembered of runs, visits and orders over a restart: one small database in the data root. All of it
 * may be lost: a damaged file is set aside, and the schedule begins anew. One process writes it at a time.
 */
import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { type ChangeResource, changeResource, type RunResource } from '../admin/resources.ts';
import type { RunFilter } from '../admin/operations.ts';
import { CodedError } from '../lib/coded-error.ts';
import {
  createDatabase,
  type Database,
  guardDatabase,
  openDatabase,
  prepare,
} from '../property-index/database.ts';

const schemaVersion = 1;

const tables = `
  CREATE TABLE run (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, state TEXT NOT NULL, kind TEXT NOT NULL,
    property_group TEXT, shard INTEGER, resource TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX run_by_time ON run (created_ms);
  CREATE TABLE change (run_id TEXT NOT NULL, number INTEGER NOT NULL, resource TEXT NOT NULL,
    PRIMARY KEY (run_id, number)) STRICT, WITHOUT ROWID;
  CREATE TABLE visit (property_group TEXT NOT NULL, shard INTEGER NOT NULL, visited_ms INTEGER NOT NULL,
    converged_ms INTEGER, run_id TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT,
    PRIMARY KEY (property_group, shard)) STRICT, WITHOUT ROWID;
  CREATE TABLE idempotency (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, run_id TEXT NOT NULL,
    created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE memory (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${schemaVersion};
`;

/** Changes kept of one run; what is beyond is counted. */
export const changesKeptMax = 100_000;

/** Runs that are kept, however young: some ten thousand days of one round a day, or a month of one a minute over 10 shards. */
const runsKeptMax = 500_000;

/** The last visit of a shard. */
export interface VisitRecord {
  readonly group: string;
  readonly shard: number;
  readonly visitedMs: number;
  /** Null where it never converged. */
  readonly convergedMs: number | null;
  readonly run: string;
  readonly outcome: string;
  readonly reason: string | null;
}

/** Told of a file that was set aside, and of what could not be written: work goes on without. */
export type OnHistoryProblem = (path: string, error: CodedError) => void;

export class History implements Disposable {
  readonly path: string;
  readonly #database: Database;
  readonly #onProblem: OnHistoryProblem;

  private constructor(path: string, database: Database, onProblem: OnHistoryProblem) {
    this.path = path;
    this.#database = database;
    this.#onProblem = onProblem;
  }

  /** Opens or creates it; a damaged one is set aside. Throws `newer-format`, `io`. */
  static open(path: string, onProblem: OnHistoryProblem): History {
    try {
      return History.#open(path, onProblem);
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'damaged-database') throw error;
      renameSync(path, `${path}.damaged`);
      // A write-ahead log without its database would be played into the new one.
      for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
      onProblem(path, error);
      return History.#open(path, onProblem);
    }
  }

  static #open(path: string, onProblem: OnHistoryProblem): History {
    const database = existsSync(path) ? openDatabase(path, { mode: 'write' }) : createDatabase(path);
    try {
      guardDatabase(path, () => {
        const version = Number(database.pragma('user_version', { simple: true }));
        if (version > schemaVersion) {
          const message = `history ${path} has schema version ${version}; this program knows ${schemaVersion}`;
          throw new CodedError('newer-format', message, { path, value: version });
        }
        checkWhole(database, path, version);
        if (version === 0) database.transaction(() => database.exec(tables))();
      });
      return new History(path, database, onProblem);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Ends what was waiting or running when the process died; returns how many. */
  endInterrupted(nowMs: number): number {
    const rows = this.#all<{ resource: string }>("SELECT resource FROM run WHERE state <> 'ended'");
    const error = {
      code: 'cancelled',
      message: 'the process ended before it did; running it again continues it',
    };
    for (const run of rows.flatMap(({ resource }) => this.#parse<RunResource>(resource))) {
      const endedAt = new Date(nowMs).toISOString();
      this.save({
        ...run,
        state: 'ended',
        outcome: 'failed',
        reason: error.message,
        error,
        waitReason: null,
        endedAt,
      });
    }
    return rows.length;
  }

  save(run: RunResource): void {
    const { id, createdAt, state, kind, group, shard } = run;
    this.#run('INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?, ?)', [
      id,
      Date.parse(createdAt),
      state,
      kind,
      group,
      shard,
      JSON.stringify(run),
    ]);
  }

  run(id: string): RunResource | null {
    const [row] = this.#all<{ resource: string }>('SELECT resource FROM run WHERE id = ?', [id]);
    return row === undefined ? null : (this.#parse<RunResource>(row.resource)[0] ?? null);
  }

  /** Newest first. */
  runs({ state, kind, group, shard, limit, before }: RunFilter): RunResource[] {
    const conditions: [string, unknown][] = [
      ['state = ?', state],
      ['kind = ?', kind],
      ['property_group = ?', group],
      ['shard = ?', shard],
      ['id < ?', before],
    ];
    const given = conditions.filter(([, value]) => value !== undefined);
    const where = given.length === 0 ? '' : `WHERE ${given.map(([sql]) => sql).join(' AND ')}`;
    const rows = this.#all<{ resource: string }>(
      `SELECT resource FROM run ${where} ORDER BY id DESC LIMIT ?`,
      [...given.map(([, value]) => value), limit],
    );
    return rows.flatMap(({ resource }) => this.#parse<RunResource>(resource));
  }

  addChanges(runId: string, first: number, changes: readonly ChangeResource[]): void {
    this.#write(() => {
      const insert = prepare(this.#database, 'INSERT OR REPLACE INTO change VALUES (?, ?, ?)');
      this.#database.transaction(() => {
        for (const [position, change] of changes.entries())
          insert.run(runId, first + position, JSON.stringify(change));
      })();
      return changes.length;
    });
  }

  /** Forgets the changes of a run, which will tell them anew. */
  dropChanges(runId: string): void {
    this.#run('DELETE FROM change WHERE run_id = ?', [runId]);
  }

  changes(runId: string, after: number, limit: number): ChangeResource[] {
    const rows = this.#all<{ resource: string }>(
      'SELECT resource FROM change WHERE run_id = ? AND number > ? ORDER BY number LIMIT ?',
      [runId, after, limit],
    );
    return rows.flatMap(({ resource }) => this.#parse(resource, changeResource));
  }

  visits(): VisitRecord[] {
    return this.#all<VisitRecord>(`
      SELECT property_group AS "group", shard, visited_ms AS visitedMs, converged_ms AS convergedMs, run_id AS run,
        outcome, reason FROM visit`);
  }

  saveVisit({ group, shard, visitedMs, convergedMs, run, outcome, reason }: VisitRecord): void {
    this.#run('INSERT OR REPLACE INTO visit VALUES (?, ?, ?, ?, ?, ?, ?)', [
      group,
      shard,
      visitedMs,
      convergedMs,
      run,
      outcome,
      reason,
    ]);
  }

  /** The run an order was given under this key; null for a new key. Throws `key-used` where it was another order. */
  runOfKey(key: string, fingerprint: string): string | null {
    const [row] = this.#all<{ fingerprint: string; run_id: string }>(
      'SELECT * FROM idempotency WHERE key = ?',
      [key],
    );
    if (row === undefined) return null;
    if (row.fingerprint === fingerprint) return row.run_id;
    throw new CodedError('key-used', `idempotency key ${key} was used for another order`, {
      field: 'Idempotency-Key',
      value: key,
    });
  }

  saveKey(key: string, fingerprint: string, runId: string, nowMs: number): void {
    this.#run('INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?)', [key, fingerprint, runId, nowMs]);
  }

  recall(name: string): string | null {
    const [row] = this.#all<{ value: string }>('SELECT value FROM memory WHERE name = ?', [name]);
    return row?.value ?? null;
  }

  remember(name: string, value: string): void {
    this.#run('INSERT OR REPLACE INTO memory VALUES (?, ?)', [name, value]);
  }

  /** Forgets ended runs that were created before `beforeMs`, and the oldest beyond the ceiling. */
  sweep(beforeMs: number): number {
    const old = `SELECT id FROM run WHERE state = 'ended' AND (created_ms < ?
      OR id NOT IN (SELECT id FROM run ORDER BY created_ms DESC LIMIT ${runsKeptMax}))`;
    this.#run(`DELETE FROM change WHERE run_id IN (${old})`, [beforeMs]);
    this.#run('DELETE FROM idempotency WHERE created_ms < ?', [beforeMs]);
    return this.#run(`DELETE FROM run WHERE id IN (${old})`, [beforeMs]);
  }

  /** Figures for metrics. */
  size(): { runs: number; bytes: number } {
    const [row] = this.#all<{ runs: number }>('SELECT count(*) AS runs FROM run');
    return { runs: row?.runs ?? 0, bytes: statSync(this.path).size };
  }

  /** A resource as it was kept; none, and told, where it cannot be read. */
  #parse<Resource>(text: string, schema?: { parse(value: unknown): Resource }): Resource[] {
    try {
      const value = JSON.parse(text) as Resource;
      return [schema?.parse(value) ?? value];
    } catch (error) {
      this.#onProblem(this.path, damagedHistory(this.path, 'an entry is unreadable', error));
      return [];
    }
  }

  #all<Row>(sql: string, parameters: readonly unknown[] = []): Row[] {
    return guardDatabase(this.path, () => prepare<Row>(this.#database, sql).all(...parameters));
  }

  #run(sql: string, parameters: readonly unknown[]): number {
    return this.#write(() => prepare(this.#database, sql).run(...parameters).changes);
  }

  // A full disk must not end a repair: what cannot be kept is told and forgotten.
  #write(work: () => number): number {
    try {
      return guardDatabase(this.path, work);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.#onProblem(this.path, error);
      return 0;
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** Throws `damaged-database` for what is broken, or another program's; what is wrong would else show later, in a run. */
function checkWhole(database: Database, path: string, version: number): void {
  const check = database.pragma('quick_check(1)', { simple: true });
  if (check !== 'ok') throw damagedHistory(path, String(check));
  const tableCount = database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get();
  if (version === 0 && tableCount !== 0) throw damagedHistory(path, 'it is no history');
}

function damagedHistory(path: string, why: string, cause?: unknown): CodedError {
  return new CodedError('damaged-database', `history ${path} is damaged: ${why}`, { path }, { cause });
}
