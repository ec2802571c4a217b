/** A history that rotted, was cut or is another program's: the service starts all the same, and says so. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CodedError } from '../../src/lib/coded-error.ts';
import { History } from '../../src/service/history.ts';
import { seededRandom, testSeed } from '../support/seeded-random.ts';

const pageBytes = 4_096;
const visit = { visitedMs: 5, convergedMs: 5, run: '1', outcome: 'converged', reason: null };

let folder = '';
let path = '';
let whole: Buffer = Buffer.alloc(0);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-history-'));
  path = join(folder, 'history.db');
  using history = History.open(path, () => expect.fail('it is new'));
  for (let shard = 0; shard < 100; shard += 1) history.saveVisit({ ...visit, group: 'g', shard });
  for (let id = 0; id < 40; id += 1) {
    const run = {
      id: String(id),
      createdAt: new Date(id).toISOString(),
      state: id < 3 ? 'running' : 'ended',
      kind: 'repair',
    };
    history.save({ ...run, group: 'g', shard: 0, reason: 'r'.repeat(200) } as never);
    const change = {
      group: 'g',
      shard: 0,
      entity: 'g/n/1',
      place: 'here',
      before: null,
      after: null,
      reason: 'absent',
    };
    history.addChanges(String(id), 0, [change as never]);
  }
  history.remember('paused', 'true');
  history[Symbol.dispose]();
  whole = await readFile(path);
});
afterAll(() => rm(folder, { recursive: true }));

/** Opens it and does what a start and an operator's looks do. Gives the problems that were told. */
async function useHistory(bytes: Buffer): Promise<CodedError[]> {
  for (const suffix of ['-wal', '-shm', '.damaged']) await rm(path + suffix, { force: true });
  await writeFile(path, bytes);
  const problems: CodedError[] = [];
  using history = History.open(path, (_, error) => problems.push(error));
  history.endInterrupted(9);
  history.recall('paused');
  expect(history.visits().length).toBeLessThanOrEqual(100);
  for (const { id } of history.runs({ limit: 100 } as never)) history.changes(id, 0, 10);
  history.saveVisit({ ...visit, group: 'new', shard: 0 });
  expect(history.visits().some(({ group }) => group === 'new')).toBe(true);
  return problems;
}

test('with damage in any page', async () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  const pages = whole.length / pageBytes;
  expect(pages).toBeGreaterThan(8);
  let told = 0;
  for (let round = 0; round < 4; round += 1) {
    for (let page = 0; page < pages; page += 1) {
      const bytes = Buffer.from(whole);
      const start = page * pageBytes;
      if (round === 0) bytes.fill(0, start, start + pageBytes);
      for (let left = 20; round > 0 && left > 0; left -= 1)
        bytes[start + random.below(pageBytes)] = random.below(256);
      const problems = await useHistory(bytes).catch((error: unknown) => {
        throw new Error(`seed ${seed}, round ${round}, page ${page}`, { cause: error });
      });
      told += Number(problems.length > 0);
    }
  }
  expect(told).toBeGreaterThan(pages / 2);
});

test('cut anywhere, but to nothing, it is set aside', async () => {
  for (let bytes = 512; bytes < whole.length; bytes += 2_048) {
    expect((await useHistory(whole.subarray(0, bytes))).map(({ code }) => code)).toContain(
      'damaged-database',
    );
    expect(existsSync(`${path}.damaged`), `${bytes}`).toBe(true);
  }
});

test("another program's is set aside as it is", async () => {
  await rm(path, { force: true });
  const other = new SqliteDatabase(path);
  other.exec('CREATE TABLE run (name TEXT)');
  other.close();
  const bytes = await readFile(path);
  expect(await useHistory(bytes)).toMatchObject([{ code: 'damaged-database' }]);
  expect((await readFile(`${path}.damaged`)).equals(bytes)).toBe(true);
});

test('of a newer program it is refused, and left as it is', async () => {
  await writeFile(path, whole);
  const newer = new SqliteDatabase(path);
  newer.pragma('user_version = 99');
  newer.close();
  const bytes = await readFile(path);
  await expect(useHistory(bytes)).rejects.toMatchObject({ code: 'newer-format' });
});
