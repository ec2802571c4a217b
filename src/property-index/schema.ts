/**
 * Tables of a property index and their schema version.
 *
 * The leaf table is what trees are built from: narrow rows in key order, so that a build scans little and
 * packs a page of rows inside SQLite. The values lie apart in insertion order, so that filling a shard
 * appends them instead of spreading them over a wide B-tree, and a build never touches them.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { makeDirectory, publishNewFile, temporaryPath } from '../lib/atomic-file.ts';
import { CodedError } from '../lib/coded-error.ts';
import { crashPoint } from '../lib/crash-point.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import type { Spelling } from '../property/source-json.ts';
import { createDatabase, type Database, guardDatabase, type OpenOptions, openDatabase } from './database.ts';
import { databasePath, shardDirectory } from './data-root.ts';

/** "Tally" as SQLite's application id, so that a foreign database is told from a damaged one. */
const applicationId = 0x54616c79;

/** Raised with every change of the tables; an older program refuses a newer number. */
const schemaVersion = 1;

/** Bytes of the random token that each committed write sets beside the write sequence. */
export const writeTokenBytes = 8;

const tables = `
  CREATE TABLE shard (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    property_group TEXT    NOT NULL,
    shard          INTEGER NOT NULL,
    shards         INTEGER NOT NULL,
    spelling       TEXT    NOT NULL,
    write_sequence INTEGER NOT NULL,
    write_token    BLOB    NOT NULL,
    revision_max   INTEGER NOT NULL,
    leaf_count     INTEGER NOT NULL,
    live_count     INTEGER NOT NULL
  ) STRICT;

  -- entity_key: name, zero byte, id (byte order is entity order)
  -- placement:  low 16 bits of XXH64(entity), then the length of entity_key; both big-endian, ready for a slot file
  -- version:    revision, delete time, digest in 80 bytes whose byte order is the total order
  CREATE TABLE leaf (
    entity_key BLOB PRIMARY KEY,
    placement  BLOB    NOT NULL,
    version    BLOB    NOT NULL,
    source_id  INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE source (
    source_id INTEGER PRIMARY KEY,
    text      TEXT NOT NULL
  ) STRICT;
`;

export interface ShardIdentity {
  readonly root: string;
  readonly group: string;
  readonly shard: number;
}

/** An opened index with what its shard row says about where it belongs. */
export interface OpenedIndex {
  readonly database: Database;
  readonly path: string;
  readonly shards: number;
  readonly spelling: Spelling;
}

/** Creates the index of a shard unless it exists. It appears with its tables or not at all. */
export async function createIndex(identity: ShardIdentity, settings: GroupSettings): Promise<void> {
  const directory = shardDirectory(identity.root, identity.group, identity.shard);
  const path = databasePath(identity.root, identity.group, identity.shard);
  if (existsSync(path)) return;
  // SQLite would play a write-ahead log left by another database into the new one.
  if (existsSync(`${path}-wal`)) {
    throw new CodedError('damaged-database', `database ${path} is gone but its write-ahead log is there`, {
      path,
    });
  }
  await makeDirectory(directory);
  const temporary = temporaryPath(path);
  crashPoint('index:create');
  try {
    const database = createDatabase(temporary);
    guardDatabase(temporary, () => {
      database.exec(tables);
      crashPoint('index:tables');
      database.pragma(`application_id = ${applicationId}`);
      database.pragma(`user_version = ${schemaVersion}`);
      database
        .prepare('INSERT INTO shard VALUES (1, ?, ?, ?, ?, 0, ?, 0, 0, 0)')
        .run(
          identity.group,
          identity.shard,
          settings.shards,
          settings.spelling,
          randomBytes(writeTokenBytes),
        );
      // Closing checkpoints and removes the WAL: the one file is then complete and synced.
      database.close();
    });
    crashPoint('index:made');
    await publishNewFile(temporary, path);
    crashPoint('index:published');
  } finally {
    for (const suffix of ['', '-wal', '-shm']) await rm(temporary + suffix, { force: true });
  }
}

/**
 * Opens the index of a shard. Throws `not-found` where there is none, `damaged-database` where it is not
 * what it should be, `newer-format` for a schema of a newer program, `io` where it cannot be opened.
 */
export function openIndex(identity: ShardIdentity, options: OpenOptions): OpenedIndex {
  const path = databasePath(identity.root, identity.group, identity.shard);
  // SQLite has one error for what is absent and what cannot be opened.
  if (!isThere(path)) throw new CodedError('not-found', `no property index at ${path}`, { path });
  const database = openDatabase(path, options);
  try {
    return guardDatabase(path, () => ({ database, path, ...checkIdentity(database, path, identity) }));
  } catch (error) {
    database.close();
    throw error;
  }
}

/** As {@link openIndex}, with what `prepare` makes ready on it; closed again where that fails. */
export function openPrepared<Prepared extends object>(
  identity: ShardIdentity,
  options: OpenOptions,
  prepare: (database: Database, path: string) => Prepared,
): OpenedIndex & Prepared {
  const opened = openIndex(identity, options);
  const { database, path } = opened;
  try {
    return { ...opened, ...guardDatabase(path, () => prepare(database, path)) };
  } catch (error) {
    database.close();
    throw error;
  }
}

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw CodedError.from(error);
  }
}

function checkIdentity(
  database: Database,
  path: string,
  identity: ShardIdentity,
): { shards: number; spelling: Spelling } {
  const damaged = (why: string) =>
    new CodedError('damaged-database', `database ${path} is damaged: ${why}`, { path });
  if (database.pragma('application_id', { simple: true }) !== applicationId)
    throw damaged('it is no property index');
  const version = database.pragma('user_version', { simple: true });
  if (typeof version === 'number' && version > schemaVersion) {
    throw new CodedError(
      'newer-format',
      `database ${path} has schema version ${version}; this program knows ${schemaVersion}`,
      {
        path,
        value: version,
      },
    );
  }
  if (version !== schemaVersion) throw damaged(`schema version ${String(version)}`);
  const row = database
    .prepare('SELECT property_group, shard, shards, spelling FROM shard WHERE one = 1')
    .get() as { property_group: string; shard: number; shards: number; spelling: string } | undefined;
  if (row === undefined) throw damaged('its shard row is gone');
  if (row.property_group !== identity.group || row.shard !== identity.shard) {
    throw damaged(`it belongs to group ${row.property_group}, shard ${row.shard}`);
  }
  if (row.spelling !== 'compact' && row.spelling !== 'spaced') throw damaged(`spelling ${row.spelling}`);
  return { shards: row.shards, spelling: row.spelling };
}

/**
 * Throws `damaged-database` unless the index is sharded and spelled as its group is: a database put back from
 * other data, or under another settings file, holds properties that are not this shard's.
 */
export function checkIndexOfGroup(
  path: string,
  index: Pick<GroupSettings, 'shards' | 'spelling'>,
  settings: GroupSettings,
): void {
  if (index.shards === settings.shards && index.spelling === settings.spelling) return;
  throw new CodedError(
    'damaged-database',
    `database ${path} is of ${index.shards} shards spelled ${index.spelling}, its group of ${settings.shards} spelled ${settings.spelling}`,
    { path },
  );
}
