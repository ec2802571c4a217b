/**
 * Verifies the property index of a shard: SQLite's own check, and that every row is what its value makes it
 * (key, placement, revision, digest, spelling) and the kept counts fit. Reads one snapshot, a few rows at a time;
 * changes nothing. Damage is told, not thrown.
 */
import { compareBytes } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted, yieldToEventLoop } from '../lib/event-loop.ts';
import { joinEntity, parseEntityKey } from '../property/entity.ts';
import { parseSource } from '../property/source-json.ts';
import { packedVersionBytes, unpackVersion } from '../property/version.ts';
import { type Database, guardDatabase, prepare } from './database.ts';
import { prepareTotals, readTotals } from './index-reader.ts';
import { type PrepareTarget, prepareProperty } from './prepare-version.ts';
import { openIndex, type ShardIdentity } from './schema.ts';

/** Rows read at once: a query costs little beside what is done with a row, and 4 of the largest fit in some 8 MiB. */
const pageRows = 4;

/** Pages between two turns of the event loop: some milliseconds of parsing and hashing. */
const pagesPerTurn = 32;

/** Faults SQLite's check lists; beyond these a database is for restoring, not for reading. */
const integrityFaultsMax = 100;

/** One thing that is wrong. */
export interface Damage {
  readonly file: string;
  /** Byte in the file; null where it has none, as in a database. */
  readonly offset: number | null;
  /** Joined: GROUP/NAME/ID; null where it is about no entity. */
  readonly entity: string | null;
  readonly message: string;
}

export interface VerifyIndexOptions {
  readonly onDamage: (damage: Damage) => void;
  readonly onProgress?: ((rows: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface LeafRow {
  readonly entity_key: Buffer;
  readonly placement: Buffer;
  readonly version: Buffer;
  readonly text: string | null;
}

/** Verifies the index of a shard. Throws `not-found` where there is none, and what is no damage. */
export async function verifyIndex(identity: ShardIdentity, options: VerifyIndexOptions): Promise<void> {
  const { onDamage } = options;
  const { database, path, shards, spelling } = openIndex(identity, { mode: 'read' });
  try {
    guardDatabase(path, () => checkIntegrity(database, path, onDamage));
    await yieldToEventLoop(options.signal);
    guardDatabase(path, () => database.exec('BEGIN'));
    await checkRows(
      database,
      path,
      { group: identity.group, shard: identity.shard, shards, spelling },
      options,
    );
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'damaged-database') throw error;
    onDamage({ file: path, offset: null, entity: null, message: error.message });
  } finally {
    database.close();
  }
}

function checkIntegrity(database: Database, path: string, onDamage: VerifyIndexOptions['onDamage']): void {
  const rows = database.pragma(`integrity_check(${integrityFaultsMax})`) as { integrity_check: string }[];
  for (const { integrity_check: message } of rows) {
    if (message !== 'ok') onDamage({ file: path, offset: null, entity: null, message: `SQLite: ${message}` });
  }
}

async function checkRows(
  database: Database,
  path: string,
  target: PrepareTarget,
  { onDamage, onProgress, signal }: VerifyIndexOptions,
): Promise<void> {
  const wrong = (message: string, entity: string | null = null) =>
    onDamage({ file: path, offset: null, entity, message });
  const page = prepare<LeafRow>(
    database,
    `
    SELECT entity_key, placement, version, text FROM leaf LEFT JOIN source USING (source_id)
    WHERE entity_key > ? ORDER BY entity_key LIMIT ${pageRows}
  `,
  );
  const found = { leaves: 0, live: 0, revisionMax: 0n };
  let after: Buffer = Buffer.alloc(0);
  for (let pages = 0; ; pages += 1) {
    const rows = guardDatabase(path, () => page.all(after));
    const last = rows.at(-1)?.entity_key;
    if (last === undefined) break;
    for (const row of rows) {
      for (const message of rowFaults(row, target)) wrong(message, entityText(target.group, row.entity_key));
      found.leaves += 1;
      if (row.version.length !== packedVersionBytes) continue;
      const { revision, deleteTime } = unpackVersion(row.version);
      if (deleteTime === 0n) found.live += 1;
      if (revision > found.revisionMax) found.revisionMax = revision;
    }
    // A damaged B-tree may lead back; without this the walk would not end.
    if (compareBytes(last, after) <= 0) {
      wrong('rows are out of order', entityText(target.group, last));
      return;
    }
    after = last;
    onProgress?.(found.leaves);
    if (pages % pagesPerTurn === 0) await yieldToEventLoop(signal);
    else throwIfAborted(signal);
  }
  checkCounts(database, path, found, wrong);
}

function checkCounts(
  database: Database,
  path: string,
  found: { readonly leaves: number; readonly live: number; readonly revisionMax: bigint },
  wrong: (message: string) => void,
): void {
  guardDatabase(path, () => {
    const { leaves, live } = readTotals(prepareTotals(database), path);
    const sources = database.prepare('SELECT count(*) FROM source').pluck().get() as number;
    const revisionMax = database
      .prepare('SELECT revision_max FROM shard')
      .pluck()
      .safeIntegers()
      .get() as bigint;
    if (leaves !== found.leaves) wrong(`it counts ${leaves} leaves and holds ${found.leaves}`);
    if (live !== found.live) wrong(`it counts ${live} live properties and holds ${found.live}`);
    if (sources !== found.leaves) wrong(`it holds ${sources} values for ${found.leaves} leaves`);
    if (revisionMax < found.revisionMax) {
      wrong(`its greatest revision is kept as ${revisionMax} and is ${found.revisionMax}`);
    }
  });
}

/** What is wrong with a row, judged by its value. */
function rowFaults(row: LeafRow, target: PrepareTarget): string[] {
  if (row.text === null) return ['its value is gone'];
  if (row.version.length !== packedVersionBytes) return [`its version has ${row.version.length} bytes`];
  const stored = unpackVersion(row.version);
  try {
    const property = parseSource(row.text);
    const made = prepareProperty(property, stored.deleteTime, target);
    if (typeof made === 'string') return [`its value cannot be in this index: ${made}`];
    const faults: string[] = [];
    if (!made.key.equals(row.entity_key)) faults.push(`its value is of ${joinEntity(property)}`);
    else if (!made.placement.equals(row.placement)) faults.push('its placement is not that of its key');
    if (made.revision !== stored.revision)
      faults.push(`its revision is ${stored.revision} and that of its value ${made.revision}`);
    if (made.source.toString() !== row.text) faults.push(`its value is not spelled ${target.spelling}`);
    if (!unpackVersion(made.version).digest.equals(stored.digest))
      faults.push('its digest is not that of its value and delete time');
    return faults;
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return [`its value is no property: ${error.message}`];
  }
}

/** A key as people read it; in hex where it is damaged. */
export function entityText(group: string, key: Buffer): string {
  try {
    return joinEntity(parseEntityKey(group, key));
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return `${group}/?/${key.subarray(0, 64).toString('hex')}`;
  }
}
