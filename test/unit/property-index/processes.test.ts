/** Several processes on one shard: nothing is lost, readers never see half a write, locks end with their holder. */
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { databasePath } from '../../../src/property-index/data-root.ts';
import { writeTransaction } from '../../../src/property-index/database.ts';
import { FileLock } from '../../../src/property-index/file-lock.ts';
import { openIndex } from '../../../src/property-index/schema.ts';
import type { IndexChildInput } from '../../support/index-child.ts';
import { Child } from '../../support/run-child.ts';
import { ShardFixture, unstamped } from '../../support/shard-fixture.ts';
import { makeVersion } from '../../support/versions.ts';

const start = (input: IndexChildInput) => new Child('index-child.ts', input);

describe('a shard written by two processes', () => {
  let fixture: ShardFixture;
  beforeEach(async () => {
    fixture = await ShardFixture.create();
  });
  afterEach(() => fixture[Symbol.asyncDispose]());

  test('holds every write, and a reader in a third never sees half of one', async () => {
    const count = 60;
    const { identity } = fixture;
    const children = [
      start({ task: 'put', identity, name: 'a', count }),
      start({ task: 'put', identity, name: 'b', count }),
      start({ task: 'read', identity, until: 2 * count + 5 }),
    ];
    for (const child of children) expect(await child.line()).toBe('ready');
    for (const child of children) child.tell('begin');
    const lines = await Promise.all(children.map((child) => child.line()));
    expect(lines.slice(0, 2)).toEqual(['done', 'done']);
    expect(JSON.parse(lines[2]!).reads).toBeGreaterThan(0);
    for (const child of children) expect(await child.ended()).toEqual({ code: 0, signal: null, stderr: '' });
    expect(fixture.totals()).toMatchObject({
      leaves: 2 * count + 5,
      live: 2 * count + 5,
      watermark: { sequence: BigInt(2 * count) },
    });
    for (const name of ['a', 'b']) expect(fixture.read((reader) => reader.count({ name }))).toBe(count);
    // Each put was stamped above all before it, whoever wrote them.
    const revisions = fixture
      .read((reader) => reader.query({ limit: 1_000 }))
      .map(({ revision }) => revision);
    expect(new Set(revisions).size).toBe(revisions.length);
  });

  test('makes a writer wait for the other, up to half a minute', async () => {
    const { database } = openIndex(fixture.identity, { mode: 'write' });
    database.exec('BEGIN IMMEDIATE');
    await expect(fixture.put([unstamped('n', '1')])).rejects.toMatchObject({ code: 'busy' });
    expect(fixture.clock.monotonicMs()).toBeGreaterThan(30_000);
    const waiting = fixture.put([unstamped('n', '1')]);
    database.exec('ROLLBACK');
    expect(await waiting).toEqual(['applied']);
    database.close();
  });

  test('lets a waiting writer be cancelled', async () => {
    const holder = openIndex(fixture.identity, { mode: 'write' }).database;
    const { database } = openIndex(fixture.identity, { mode: 'write' });
    holder.exec('BEGIN IMMEDIATE');
    const controller = new AbortController();
    const clock = Object.assign(Object.create(fixture.clock) as typeof fixture.clock, {
      monotonicMs: () => 0,
      sleep: async () => {
        controller.abort(new DOMException('late', 'TimeoutError'));
        throw new DOMException('aborted', 'AbortError');
      },
    });
    const waiting = writeTransaction(database, { clock, signal: controller.signal }, () =>
      expect.fail('it was not written'),
    );
    await expect(waiting).rejects.toMatchObject({ code: 'timeout' });
    holder.close();
    database.close();
  });

  test('has another token after a copy was restored and written to', async () => {
    const path = databasePath(fixture.identity.root, 'g', 0);
    const backup = join(fixture.identity.root, 'backup');
    await fixture.apply([makeVersion({ id: '1', revision: 1n })]);
    await copyFile(path, backup);
    const copied = fixture.totals().watermark;
    await fixture.apply([makeVersion({ id: '2', revision: 1n })]);
    const lost = fixture.totals().watermark;
    await copyFile(backup, path);
    expect(fixture.totals().watermark).toEqual(copied);
    await fixture.apply([makeVersion({ id: '2', revision: 1n })]);
    const { sequence, token } = fixture.totals().watermark;
    expect(sequence).toBe(lost.sequence);
    expect(token).not.toBe(lost.token);
    expect(token).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe('a file lock', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tallystick-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  test('has one holder within a process', () => {
    const path = join(directory, 'lock');
    const lock = FileLock.tryAcquire(path);
    expect(FileLock.tryAcquire(path)).toBe(null);
    expect(FileLock.tryAcquire(path)).toBe(null);
    lock?.release();
    using again = FileLock.tryAcquire(path);
    expect(again).not.toBe(null);
  });

  test('has one holder over processes, and is free once that lets go or is killed', async () => {
    const path = join(directory, 'lock');
    const first = start({ task: 'lock', path });
    expect(await first.line()).toBe('held');
    expect(FileLock.tryAcquire(path)).toBe(null);
    const second = start({ task: 'lock', path });
    expect(await second.line()).toBe('refused');
    second.tell('end');
    first.tell('release');
    expect(await first.line()).toBe('released');
    await Promise.all([first.ended(), second.ended()]);
    const third = start({ task: 'lock', path });
    expect(await third.line()).toBe('held');
    third.kill();
    expect((await third.ended()).signal).toBe('SIGKILL');
    using free = FileLock.tryAcquire(path);
    expect(free).not.toBe(null);
  });

  test('that cannot be taken for another reason says so', async () => {
    const path = join(directory, 'lock');
    await writeFile(path, Buffer.alloc(5_000, 0xa5));
    expect(() => FileLock.tryAcquire(path)).toThrow(expect.objectContaining({ code: 'damaged-database' }));
  });
});
