/**
 * The only place that opens SQLite. Owns pragmas, the translation of SQLite's errors into coded ones, and
 * write transactions that wait for other processes without blocking the event loop.
 */
import SqliteDatabase from 'better-sqlite3';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { crashPoint } from '../lib/crash-point.ts';

export type Database = SqliteDatabase.Database;
export type Statement<Row = unknown> = SqliteDatabase.Statement<unknown[], Row>;

/** How long SQLite itself may wait for a lock when a transaction begins: it blocks the thread, so writers wait outside. */
const beginWaitMs = 5;

/** How long a read or an open may wait inside SQLite: only for another process's recovery or last checkpoint. */
const readWaitMs = 5_000;

/** How long a writer waits for other processes before it gives up with `busy`. */
const writeWaitMs = 30_000;

/** Page cache of a connection in KiB; a dozen open shards stay within the idle memory of a sidecar. */
const cacheKib = 8 * 1024;

/** Default of SQLite, kept where no checkpoint worker runs: the WAL stays small at some cost per write. */
const autocheckpointPages = 1_000;

export interface OpenOptions {
  readonly mode: 'read' | 'write';
  /** Leave checkpoints to another thread (checkpoint-worker.ts); false lets commits do them now and then. */
  readonly checkpointsElsewhere?: boolean;
}

/** Opens a database whose file is there. Throws `damaged-database`, `io`. */
export function openDatabase(path: string, options: OpenOptions): Database {
  return guardDatabase(path, () => {
    const database = new SqliteDatabase(path, {
      readonly: options.mode === 'read',
      fileMustExist: true,
      timeout: readWaitMs,
    });
    try {
      database.pragma(`cache_size = -${cacheKib}`);
      if (options.mode === 'write') {
        // An acknowledged write survives power loss: every commit ends with an fsync of the WAL.
        database.pragma('synchronous = FULL');
        database.pragma(`wal_autocheckpoint = ${options.checkpointsElsewhere ? 0 : autocheckpointPages}`);
        database.pragma('foreign_keys = ON');
      }
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** Creates a database file at a path that must not exist; the caller publishes it under its final name. */
export function createDatabase(path: string): Database {
  return guardDatabase(path, () => {
    const database = new SqliteDatabase(path);
    database.pragma('page_size = 4096');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    return database;
  });
}

/** Runs `work` and turns what SQLite throws into coded errors that name the database file. */
export function guardDatabase<Result>(path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw databaseError(path, error);
  }
}

/** A thrown value as a coded error that names the database file; others pass unchanged. */
export function databaseError(path: string, error: unknown): unknown {
  if (!(error instanceof SqliteDatabase.SqliteError)) return error;
  const details = { path, sqlite: error.code };
  const options = { cause: error };
  if (/^SQLITE_(CORRUPT|NOTADB|FORMAT)/.test(error.code)) {
    return new CodedError(
      'damaged-database',
      `database ${path} is damaged: ${error.message}`,
      details,
      options,
    );
  }
  if (/^SQLITE_(BUSY|LOCKED)/.test(error.code)) {
    return new CodedError('busy', `database ${path} is in use by another writer`, details, options);
  }
  if (/^SQLITE_READONLY/.test(error.code)) {
    return new CodedError(
      'read-only',
      `database ${path} cannot be written: ${error.message}`,
      details,
      options,
    );
  }
  return new CodedError('io', `database ${path}: ${error.message}`, details, options);
}

/** Prepares a statement whose rows have the named shape. */
export function prepare<Row>(database: Database, sql: string): Statement<Row> {
  return guardDatabase(database.name, () => database.prepare(sql) as Statement<Row>);
}

export interface WriteOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

function beginImmediate(database: Database): void {
  guardDatabase(database.name, () => {
    database.pragma(`busy_timeout = ${beginWaitMs}`);
    try {
      database.exec('BEGIN IMMEDIATE');
    } finally {
      database.pragma(`busy_timeout = ${readWaitMs}`);
    }
  });
}

/**
 * Runs `work` in a write transaction and returns its result once it is durable. Waits up to 30 s, without
 * blocking, for writers of other processes. Throws `busy`, `cancelled` or what `work` throws; then nothing changed.
 */
export async function writeTransaction<Result>(
  database: Database,
  options: WriteOptions,
  work: () => Result,
): Promise<Result> {
  const deadline = options.clock.monotonicMs() + writeWaitMs;
  for (let delayMs = 1; ; delayMs = Math.min(delayMs * 2, 50)) {
    throwIfAborted(options.signal);
    try {
      beginImmediate(database);
      break;
    } catch (error) {
      const busy = error instanceof CodedError && error.code === 'busy';
      if (!busy || options.clock.monotonicMs() > deadline) throw error;
      await options.clock.sleep(delayMs, options.signal).catch((reason: unknown) => {
        throw CodedError.from(options.signal?.aborted ? options.signal.reason : reason);
      });
    }
  }
  return guardDatabase(database.name, () => {
    try {
      crashPoint('index:begun');
      const result = work();
      crashPoint('index:commit');
      database.exec('COMMIT');
      crashPoint('index:committed');
      return result;
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK');
      throw error;
    }
  });
}
