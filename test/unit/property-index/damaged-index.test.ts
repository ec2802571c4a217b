/** Databases that are not what they should be: named, never recreated, never taken for empty. */
import { copyFile, mkdir, readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CodedError, ErrorCode } from '../../../src/lib/coded-error.ts';
import { createDatabase, writeTransaction } from '../../../src/property-index/database.ts';
import { databasePath } from '../../../src/property-index/data-root.ts';
import { IndexReader } from '../../../src/property-index/index-reader.ts';
import { IndexWriter } from '../../../src/property-index/index-writer.ts';
import { createIndex } from '../../../src/property-index/schema.ts';
import { parseTextQuery, searchText } from '../../../src/property-index/text-search.ts';
import { Snapshot } from '../../../src/property-index/snapshot.ts';
import { ShardFixture } from '../../support/shard-fixture.ts';
import { makeVersion } from '../../support/versions.ts';

let fixture: ShardFixture;
let path = '';
beforeEach(async () => {
  fixture = await ShardFixture.create();
  path = databasePath(fixture.identity.root, 'g', 0);
  await fixture.apply(
    Array.from({ length: 300 }, (_, index) => makeVersion({ id: String(index), revision: 1n })),
  );
});
afterEach(() => fixture[Symbol.asyncDispose]());

/** Opens and reads everything. */
function readAll(): void {
  using snapshot = new Snapshot(fixture.identity);
  for (const page of snapshot.leafRows()) expect(page.length).toBeGreaterThan(0);
  for (const page of snapshot.sourceRows()) expect(page.length).toBeGreaterThan(0);
}

const openers: [string, () => unknown][] = [
  ['a reader', () => new IndexReader(fixture.identity)],
  ['a writer', () => new IndexWriter(fixture.identity, { clock: fixture.clock })],
  ['a snapshot', () => new Snapshot(fixture.identity)],
];

/** Every way in fails with the code, naming the file, and creating the index anew leaves the file as it is. */
async function expectRefused(code: ErrorCode): Promise<void> {
  const before = await readFile(path);
  for (const [who, open] of openers) {
    expect(open, who).toThrow(expect.objectContaining({ code, message: expect.stringContaining(path) }));
  }
  await createIndex(fixture.identity, fixture.settings);
  expect((await readFile(path)).equals(before)).toBe(true);
}

describe('a database', () => {
  test('whose tables are gone is named, and is not kept open', async () => {
    const database = new SqliteDatabase(path);
    database.exec('DROP TABLE leaf');
    database.close();
    const openFiles = async (): Promise<string[]> => {
      const links = (await readdir('/proc/self/fd')).map((fd) =>
        readlink(`/proc/self/fd/${fd}`).catch(() => ''),
      );
      return (await Promise.all(links)).filter((link) => link.startsWith(path));
    };
    for (const [who, open] of openers)
      expect(open, who).toThrow(
        expect.objectContaining({ code: 'io', details: expect.objectContaining({ path }) }),
      );
    if (process.platform === 'linux') expect(await openFiles()).toEqual([]);
  });

  test('that is absent is not found, be its folder there or not', async () => {
    for (const suffix of ['', '-wal', '-shm']) await rm(path + suffix, { force: true });
    for (const [who, open] of openers)
      expect(open, who).toThrow(expect.objectContaining({ code: 'not-found' }));
    await rm(dirname(path), { recursive: true });
    for (const [who, open] of openers)
      expect(open, who).toThrow(expect.objectContaining({ code: 'not-found' }));
  });

  test('of no bytes is damaged', async () => {
    await writeFile(path, '');
    await expectRefused('damaged-database');
  });

  test.each([
    ['garbage', Buffer.alloc(20_000, 0xa5)],
    ['text', Buffer.from('this is no database'.repeat(1_000))],
    ['zeros', Buffer.alloc(8_192)],
  ])('of %s is damaged', async (_, bytes) => {
    await writeFile(path, bytes);
    await expectRefused('damaged-database');
  });

  test('cut at every page is damaged', async () => {
    const whole = await readFile(path);
    expect(whole.length).toBeGreaterThan(20 * 4_096);
    for (let bytes = 4_096; bytes < whole.length; bytes += 4_096) {
      await writeFile(path, whole.subarray(0, bytes));
      expect(readAll, `${bytes} bytes`).toThrow(expect.objectContaining({ code: 'damaged-database' }));
    }
  });

  test('that is a folder is no absent one', async () => {
    await rm(path);
    await mkdir(path);
    for (const [who, open] of openers) {
      expect(open, who).toThrow(expect.objectContaining({ code: expect.not.stringMatching('not-found') }));
    }
  });

  test('of another program is damaged', async () => {
    await rm(path);
    const other = new SqliteDatabase(path);
    other.exec('CREATE TABLE shard (one INTEGER)');
    other.close();
    await expectRefused('damaged-database');
  });

  test.each<[string, string, ErrorCode]>([
    ['a newer schema', 'PRAGMA user_version = 2', 'newer-format'],
    ['schema version 0', 'PRAGMA user_version = 0', 'damaged-database'],
    ['no shard row', 'DELETE FROM shard', 'damaged-database'],
    ['an unknown spelling', "UPDATE shard SET spelling = 'loud'", 'damaged-database'],
    ['another group', "UPDATE shard SET property_group = 'h'", 'damaged-database'],
  ])('with %s is refused', async (_, sql, code) => {
    const database = new SqliteDatabase(path);
    database.exec(sql);
    database.close();
    await expectRefused(code);
  });

  test('of another shard in its place is damaged', async () => {
    await using other = await ShardFixture.create({ shards: 2 }, 'g', 1);
    await copyFile(databasePath(other.identity.root, 'g', 1), path);
    await expectRefused('damaged-database');
  });

  test('that is gone while its write-ahead log is there is not created anew', async () => {
    const writer = fixture.writer();
    await writer.put([]);
    await fixture.apply([makeVersion({ id: 'x', revision: 1n })]);
    await rename(`${path}-wal`, `${path}-kept`);
    writer.close();
    await rm(path);
    await rename(`${path}-kept`, `${path}-wal`);
    const error = await createIndex(fixture.identity, fixture.settings).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'damaged-database', details: { path } });
    for (const [who, open] of openers)
      expect(open, who).toThrow(expect.objectContaining({ code: 'not-found' }));
    expect(await readdir(dirname(path))).not.toContain('property.db');
  });

  test('is created once by many, whole and empty', async () => {
    const identity = { ...fixture.identity, group: 'many' };
    await Promise.all(Array.from({ length: 8 }, () => createIndex(identity, fixture.settings)));
    using reader = new IndexReader(identity);
    expect(reader.totals()).toMatchObject({ leaves: 0, live: 0, watermark: { sequence: 0n } });
    const names = await readdir(dirname(databasePath(identity.root, 'many', 0)));
    expect(names.filter((name) => name.includes('.tmp'))).toEqual([]);
  });
});

describe('a value', () => {
  const key = makeVersion({ id: '7', revision: 1n }).key;

  function damageWith(sql: string): void {
    const database = new SqliteDatabase(path);
    database.exec(sql);
    database.close();
  }
  const damaged = expect.objectContaining({
    code: 'damaged-database',
    message: expect.stringContaining(path),
  });

  test('that is gone is no absent property, and nothing is written over it', async () => {
    damageWith('DELETE FROM source');
    fixture.read((reader) => {
      expect(() => reader.get(key)).toThrow(damaged);
      expect(() => reader.look(key)).toThrow(damaged);
      expect(() => [...reader.allPages(10)]).toThrow(damaged);
    });
    using snapshot = new Snapshot(fixture.identity);
    expect(() => [...snapshot.sourceRows()]).toThrow(damaged);
    const before = fixture.totals();
    await expect(fixture.apply([makeVersion({ id: '7', revision: 2n })])).rejects.toThrow(damaged);
    using writer = fixture.writer();
    await expect(writer.delete({ group: 'g', name: 'n', id: '7' })).rejects.toThrow(damaged);
    expect(fixture.totals()).toEqual(before);
  });

  test.each([
    ['of other content', `UPDATE source SET text = replace(text, '"v"', '"w"')`],
    ['of another entity', `UPDATE source SET text = (SELECT text FROM source WHERE text LIKE '%"id":"8"%')`],
    ['that is no JSON', "UPDATE source SET text = '{'"],
  ])('%s is shown to nobody', async (_, sql) => {
    damageWith(sql);
    using reader = new IndexReader(fixture.identity);
    expect(() => reader.look(key)).toThrow(damaged);
    expect(() => reader.query({})).toThrow(damaged);
    const search = async (): Promise<void> => {
      for await (const found of searchText(reader, 'g', parseTextQuery('n 8')))
        expect(found.key).not.toEqual(key);
    };
    await expect(search()).rejects.toThrow(damaged);
  });

  test('whose version has another size is damaged', () => {
    damageWith("UPDATE leaf SET version = x'00'");
    expect(() => fixture.read((reader) => reader.get(key))).toThrow(damaged);
  });
});

describe('a full disk', () => {
  test('is an error of the one write, which changes nothing', async () => {
    const file = join(fixture.identity.root, 'full.db');
    const database = createDatabase(file);
    database.exec('CREATE TABLE rows (text TEXT)');
    database.pragma('max_page_count = 8');
    const insert = database.prepare('INSERT INTO rows VALUES (?)');
    const write = (text: string) =>
      writeTransaction(database, { clock: fixture.clock }, () => insert.run(text).changes);
    await write('small');
    const error = await write('x'.repeat(100_000)).catch((thrown: unknown) => thrown as CodedError);
    expect(error).toMatchObject({ code: 'io', details: { path: file, sqlite: 'SQLITE_FULL' } });
    expect(database.inTransaction).toBe(false);
    expect(await write('small')).toBe(1);
    expect(database.prepare('SELECT count(*) FROM rows').pluck().get()).toBe(2);
    database.close();
  });
});
