/**
 * Property databases that rotted, were cut, or lost part of their write-ahead log. SQLite has no checksums, so what
 * comes back may be wrong; then it is found out by its digest or by `verify`, and no tree of it equals a right one.
 */
import { copyFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CodedError } from '../../src/lib/coded-error.ts';
import type { StoredVersion } from '../../src/property/version.ts';
import { databasePath } from '../../src/property-index/data-root.ts';
import { IndexReader } from '../../src/property-index/index-reader.ts';
import { IndexWriter } from '../../src/property-index/index-writer.ts';
import { prepareIncoming } from '../../src/property-index/prepare-version.ts';
import type { ShardIdentity } from '../../src/property-index/schema.ts';
import { verifyIndex } from '../../src/property-index/verify-index.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { naiveTree } from '../support/naive-tree.ts';
import { runCli, temporaryFolder } from '../support/run-cli.ts';
import { type SeededRandom, seededRandom, testSeed } from '../support/seeded-random.ts';
import { ShardFixture } from '../support/shard-fixture.ts';
import { makeVersion } from '../support/versions.ts';

const pageBytes = 4_096;
const count = 60;

/** Larger values than a page has room for are among them, and tombstones. */
const versions = Array.from({ length: count }, (_, id) =>
  makeVersion({
    id: String(id),
    revision: 5n,
    deleteTime: id % 7 === 0 ? 9n : 0n,
    value: 'v'.repeat(id % 20 === 0 ? 9_000 : 100),
  }),
);

let fixture: ShardFixture;
let whole: Buffer = Buffer.alloc(0);
let path = '';

beforeAll(async () => {
  fixture = await ShardFixture.create();
  await fixture.apply(versions);
  path = databasePath(fixture.identity.root, 'g', 0);
  whole = await readFile(path);
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** Puts a database in place, without a log of what was there before. */
async function restore(bytes: Buffer): Promise<void> {
  for (const suffix of ['-wal', '-shm']) await rm(path + suffix, { force: true });
  await writeFile(path, bytes);
}

/** What is told of every entity: the version, or the code of why not. */
function lookAtAll(identity: ShardIdentity): Map<string, StoredVersion | string> {
  const found = new Map<string, StoredVersion | string>();
  using opened = new DisposableStack();
  let reader: IndexReader | null = null;
  for (const { key } of versions) {
    try {
      reader ??= opened.use(new IndexReader(identity));
      found.set(key.toString('hex'), reader.get(key) ?? 'absent');
    } catch (error) {
      found.set(key.toString('hex'), codeOf(error));
    }
  }
  return found;
}

/** The code of an error that names the database; whatever else was thrown is a fault of the program. */
function codeOf(error: unknown): string {
  if (!(error instanceof CodedError)) throw error;
  if (!error.message.includes('property.db') && !error.message.includes('property index')) throw error;
  expect(['damaged-database', 'newer-format', 'io']).toContain(error.code);
  return error.code;
}

/** Holds a damaged database to what it may do; true where the damage showed. */
async function expectHonest(what: string, build: boolean): Promise<boolean> {
  const { identity, settings, clock } = fixture;
  const target = { ...identity, shards: 1, spelling: 'compact' } as const;
  const problems: string[] = [];
  await verifyIndex(identity, { onDamage: ({ message }) => problems.push(message) }).catch((error: unknown) =>
    problems.push(codeOf(error)),
  );
  const seen = lookAtAll(identity);
  for (const version of versions) {
    const found = seen.get(version.key.toString('hex'));
    if (found === 'absent')
      expect.soft(problems, `${what}: one is gone and verify finds nothing`).not.toEqual([]);
    if (found === undefined || typeof found === 'string') continue;
    const right = found.source === version.source && found.deleteTime === version.deleteTime;
    // What it gives is right, or nobody takes it: it is not of its digest, or of another entity.
    const refused = typeof prepareIncoming(found, target) === 'string';
    if (!right && !refused) expect.fail(`${what}: ${found.source.slice(0, 100)}`);
    if (!right && problems.length === 0) expect.fail(`${what}: verify says that it is good`);
  }
  // A build takes its fsyncs, and makes of the leaves what it is given.
  if (!build) return problems.length > 0;
  const root = await buildTree({ identity, settings, clock, force: true }).then(
    ({ root: built }) => built.toString('hex'),
    codeOf,
  );
  const rightRoot = naiveTree(versions, 'g', settings.slots).root;
  const leavesRight = versions.every(({ key, digest }) => {
    const found = seen.get(key.toString('hex'));
    return typeof found !== 'object' || (found.digest.equals(digest) && found.key.equals(key));
  });
  if (root === rightRoot && !leavesRight) expect.fail(`${what}: its tree is taken for equal`);
  return problems.length > 0;
}

/** A page with something wrong in it. */
function damagePage(page: Buffer, random: SeededRandom): void {
  random.pick([
    () => {
      for (let left = 1 + random.below(8); left > 0; left -= 1) {
        const at = random.below(page.length);
        page[at] = (page[at] as number) ^ (1 << random.below(8));
      }
    },
    () => page.fill(random.pick([0, 0xff]), random.below(page.length)),
    () => page.fill(0),
    // Half of the page is that of another: a write that was torn.
    () => whole.copy(page, 2_048, random.below(whole.length / pageBytes) * pageBytes + 2_048),
  ])();
}

describe('a database', () => {
  test('with damage in any page is told, and never taken for right', async () => {
    const seed = testSeed();
    const random = seededRandom(seed);
    let shown = 0;
    const pages = whole.length / pageBytes;
    expect(pages).toBeGreaterThan(10);
    for (let round = 0; round < 3; round += 1) {
      for (let page = 0; page < pages; page += 1) {
        const bytes = Buffer.from(whole);
        damagePage(bytes.subarray(page * pageBytes, (page + 1) * pageBytes), random);
        await restore(bytes);
        shown += Number(await expectHonest(`seed ${seed}, page ${page}, round ${round}`, round === 0));
      }
    }
    expect(shown).toBeGreaterThan(pages);
  });

  test('with any byte of its first page changed is told, and never taken for right', async () => {
    for (let at = 0; at < 100; at += 2) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ 0x41;
      await restore(bytes);
      await expectHonest(`byte ${at}`, at % 10 === 0);
    }
  });

  test('cut anywhere is told', async () => {
    for (let bytes = 0; bytes < whole.length; bytes += 4_096 - 512) {
      await restore(whole.subarray(0, bytes));
      expect(await expectHonest(`cut to ${bytes}`, bytes === 0), `cut to ${bytes}`).toBe(true);
    }
  });

  test('with damage ends verbs with the right codes', async () => {
    const { root } = fixture.identity;
    const bytes = Buffer.from(whole);
    for (let page = 1; page < whole.length / pageBytes; page += 1) {
      bytes.fill(0xff, page * pageBytes, (page + 1) * pageBytes);
    }
    await restore(bytes);
    const damaged = { error: { code: 'damaged-database', path } };
    expect(await runCli(['verify', root, '--json'])).toMatchObject({ code: 1 });
    for (const verb of [
      ['get', '--root', root, 'g/n/1'],
      ['delete', '--root', root, 'g/n/1'],
      ['search', '--root', root, 'v'],
      ['build', root, '--force'],
      ['repair', root, temporaryFolder()],
    ]) {
      expect(await runCli([...verb, '--json']), verb.join(' ')).toMatchObject({ code: 2, last: damaged });
    }
  });
});

describe('a write-ahead log', () => {
  /** A folder with a database whose last commits are only in its log, and what each of them left. */
  async function withLog(): Promise<{
    identity: ShardIdentity;
    log: Buffer;
    states: string[];
    folder: string;
  }> {
    await restore(whole);
    using writer = new IndexWriter(fixture.identity, { clock: fixture.clock, checkpointsElsewhere: true });
    const states = [stateOf(fixture.identity)];
    for (let commit = 0; commit < 4; commit += 1) {
      await fixture.apply([
        makeVersion({ id: `new-${commit}`, revision: 5n }),
        makeVersion({ id: '1', revision: BigInt(6 + commit) }),
      ]);
      states.push(stateOf(fixture.identity));
    }
    const folder = await mkdtemp(join(tmpdir(), 'tallystick-log-'));
    await cp(join(fixture.identity.root, 'data'), join(folder, 'data'), { recursive: true });
    writer.close();
    const identity = { ...fixture.identity, root: folder };
    return { identity, folder, states, log: await readFile(`${databasePath(folder, 'g', 0)}-wal`) };
  }

  test('cut or damaged anywhere leaves what some commit left, under its own watermark', async () => {
    const { identity, folder, states, log } = await withLog();
    expect(new Set(states).size).toBe(5);
    const database = databasePath(folder, 'g', 0);
    await copyFile(database, `${database}-kept`);
    const seed = testSeed();
    const random = seededRandom(seed);
    const seen = new Set<string>();
    for (let round = 0; round < 100; round += 1) {
      let bytes = Buffer.from(log);
      if (round % 2 === 0) bytes = bytes.subarray(0, random.below(bytes.length + 1));
      else bytes[random.below(bytes.length)] = random.below(256);
      await copyFile(`${database}-kept`, database);
      await rm(`${database}-shm`, { force: true });
      await writeFile(`${database}-wal`, bytes);
      const state = stateOf(identity);
      expect(states, `seed ${seed}, round ${round}`).toContain(state);
      seen.add(state);
    }
    expect(seen.size).toBeGreaterThan(2);
    await rm(folder, { recursive: true });
  });

  test('that is lost is seen by the next build, whose tree is none of the lost writes', async () => {
    const { identity, folder } = await withLog();
    const { settings, clock } = fixture;
    const database = databasePath(folder, 'g', 0);
    const before = await buildTree({ identity, settings, clock });
    for (const suffix of ['', '-wal', '-shm']) await rm(database + suffix, { force: true });
    await writeFile(database, whole);
    const after = await buildTree({ identity, settings, clock });
    expect(after.outcome).toBe('built');
    expect(after.root.equals(before.root)).toBe(false);
    await rm(folder, { recursive: true });
  });
});

/** Everything in an index, with its watermark. */
function stateOf(identity: ShardIdentity): string {
  using reader = new IndexReader(identity);
  const { watermark, leaves, live } = reader.totals();
  const rows = [...reader.allPages(1_000)]
    .flat()
    .map(({ key, digest }) => `${key.toString('hex')}:${digest.toString('hex')}`);
  return JSON.stringify([String(watermark.sequence), watermark.token, leaves, live, rows]);
}
