import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { Checkpointer } from '../../../src/property-index/checkpointer.ts';
import { databasePath } from '../../../src/property-index/data-root.ts';
import { openDatabase } from '../../../src/property-index/database.ts';
import { ApplyThread } from '../../../src/shard-copy/apply-thread.ts';
import type { ApplySession } from '../../../src/shard-copy/shard-copy.ts';
import { ShardFixture } from '../../support/shard-fixture.ts';
import { StandingClock } from '../../support/standing-clock.ts';
import { makeVersion } from '../../support/versions.ts';

let shard: ShardFixture;
let checkpointer: Checkpointer;
let thread: ApplyThread;
beforeEach(async () => {
  shard = await ShardFixture.create();
  checkpointer = new Checkpointer((_path, error) => {
    throw error;
  });
  thread = new ApplyThread(checkpointer, systemClock);
});
afterEach(async () => {
  await thread[Symbol.asyncDispose]();
  await checkpointer[Symbol.asyncDispose]();
  await shard[Symbol.asyncDispose]();
});

const open = (): Promise<ApplySession> =>
  thread.open(shard.identity, { settings: shard.settings, confirmed: null });
const version = (id: string, revision = 1n, value = 'v') => makeVersion({ id, revision, value });

test('what was answered as applied can be read by another connection', async () => {
  await using session = await open();
  expect(await session.apply([version('a'), version('b', 2n)])).toEqual([
    { result: 'applied' },
    { result: 'applied' },
  ]);
  expect(shard.totals().leaves).toBe(2);
  expect(shard.read((reader) => reader.get(version('b', 2n).key))).toEqual(version('b', 2n));
});

test('sessions side by side, of one shard and of several, keep apart', async () => {
  await using other = await ShardFixture.create({}, 'h');
  await using first = await open();
  await using second = await open();
  await using third = await thread.open(other.identity, { settings: other.settings, confirmed: null });
  const foreign = makeVersion({ group: 'h', id: 'a', revision: 1n });
  const results = await Promise.all([
    first.apply([version('a', 5n)]),
    second.apply([version('a', 4n), version('b')]),
    third.apply([foreign, version('a')]),
  ]);
  expect(results.flat().map(({ result }) => result)).toEqual([
    'applied',
    'kept',
    'applied',
    'applied',
    'refused',
  ]);
  expect(other.totals().leaves).toBe(1);
});

test('a batch that waits for another writer can be cancelled, and nothing of it is written', async () => {
  await using session = await open();
  const other = openDatabase(databasePath(shard.identity.root, 'g', 0), { mode: 'write' });
  other.exec('BEGIN IMMEDIATE');
  const cancel = new AbortController();
  const cancelled = session.apply([version('a')], cancel.signal);
  const behind = session.apply([version('b')]);
  cancel.abort();
  await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
  other.exec('ROLLBACK');
  other.close();
  expect(await behind).toEqual([{ result: 'applied' }]);
  expect(shard.totals().leaves).toBe(1);
});

test('opening what cannot be opened says why, and the thread goes on', async () => {
  const settings = { ...shard.settings, shards: 2 };
  await expect(thread.open(shard.identity, { settings, confirmed: null })).rejects.toMatchObject({
    code: 'settings-differ',
  });
  const signal = AbortSignal.abort();
  await expect(
    thread.open(shard.identity, { settings: shard.settings, confirmed: null, signal }),
  ).rejects.toMatchObject({ code: 'cancelled' });
  await using session = await open();
  expect(await session.apply([version('a')])).toEqual([{ result: 'applied' }]);
});

test('closing waits for the batches that were given, and takes none after', async () => {
  const session = await open();
  const applying = session.apply([version('a')]);
  await thread[Symbol.asyncDispose]();
  expect(await applying).toEqual([{ result: 'applied' }]);
  await expect(session.apply([version('b')])).rejects.toMatchObject({ code: 'cancelled' });
  expect(shard.totals().leaves).toBe(1);
});

test('the thread stays while a stream is open, ends after the last, and another is started with the next', async () => {
  const clock = new StandingClock();
  await using short = new ApplyThread(checkpointer, clock);
  const openShort = () => short.open(shard.identity, { settings: shard.settings, confirmed: null });
  const first = await openShort();
  await (await openShort())[Symbol.asyncDispose]();
  await clock.move(9_000);
  expect(await first.apply([version('a')])).toEqual([{ result: 'applied' }]);
  await first[Symbol.asyncDispose]();
  await clock.move(4_000);
  expect(short.hasThread).toBe(true);
  await clock.move(1_000);
  expect(short.hasThread).toBe(false);
  await using again = await openShort();
  expect(await again.apply([version('b')])).toEqual([{ result: 'applied' }]);
});

test('a thread that wrote much ends with its last stream, and the next starts another', async () => {
  const value = 'tally '.repeat(100_000);
  const first = await open();
  const second = await open();
  for (let at = 0; at < 60; at++) await first.apply([version(`much-${at}`, 1n, value)]);
  await first[Symbol.asyncDispose]();
  expect(thread.hasThread).toBe(true);
  await second[Symbol.asyncDispose]();
  expect(thread.hasThread).toBe(false);
  const third = await open();
  expect(await third.apply([version('more')])).toEqual([{ result: 'applied' }]);
  await third[Symbol.asyncDispose]();
  expect(thread.hasThread).toBe(true);
  expect(shard.totals().leaves).toBe(61);
});
