/**
 * A lock that one process holds and every other sees, released by the operating system when its holder dies:
 * an exclusive transaction on a small SQLite file, whose locks are the kernel's. So no lease can outlive a
 * crash, and none runs out under a slow holder.
 */
import SqliteDatabase from 'better-sqlite3';
import { databaseError } from './database.ts';

export class FileLock {
  readonly #database: SqliteDatabase.Database;

  private constructor(database: SqliteDatabase.Database) {
    this.#database = database;
  }

  /** Takes the lock, or null while somebody else holds it. The file is created when absent and stays empty. Throws `damaged-database` where it holds something else, `io`. */
  static tryAcquire(path: string): FileLock | null {
    const database = openLockFile(path);
    try {
      database.exec('BEGIN EXCLUSIVE');
      return new FileLock(database);
    } catch (error) {
      database.close();
      if (error instanceof SqliteDatabase.SqliteError && error.code.startsWith('SQLITE_BUSY')) return null;
      throw databaseError(path, error);
    }
  }

  release(): void {
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function openLockFile(path: string): SqliteDatabase.Database {
  try {
    return new SqliteDatabase(path, { timeout: 0 });
  } catch (error) {
    throw databaseError(path, error);
  }
}
