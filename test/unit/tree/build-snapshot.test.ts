/** The snapshot of a build: of one moment, and held no longer than it is needed. */
import SqliteDatabase from 'better-sqlite3';
import { expect, test } from 'vitest';
import { setCrashHook } from '../../../src/lib/crash-point.ts';
import {
  type BuildOptions,
  type BuildResult,
  buildTree,
  snapshotLifeMsMax,
} from '../../../src/tree/build-tree.ts';
import { naiveTree } from '../../support/naive-tree.ts';
import { ShardFixture } from '../../support/shard-fixture.ts';
import { makeVersion } from '../../support/versions.ts';

function build(
  { identity, settings, clock }: ShardFixture,
  more: Partial<BuildOptions> = {},
): Promise<BuildResult> {
  return buildTree({ identity, settings, clock, ...more });
}

test('is of one moment, whatever is written while it reads', async () => {
  await using fixture = await ShardFixture.create();
  const versions = Array.from({ length: 4_200 }, (_, id) => makeVersion({ id: String(id), revision: 1n }));
  await fixture.apply(versions);
  const writes: Promise<unknown>[] = [];
  setCrashHook((name) => {
    // Into the last page, before it is read.
    if (name === 'tree:page') writes.push(fixture.apply([makeVersion({ id: '999', revision: 2n })]));
  });
  const result = await build(fixture).finally(() => setCrashHook(null));
  await Promise.all(writes);
  expect(writes.length).toBeGreaterThan(1);
  expect(result.root.toString('hex')).toBe(naiveTree(versions, 'g', 32).root);
  expect((await build(fixture)).root).not.toEqual(result.root);
});

test('pins the log only while it reads, and not for long', async () => {
  await using fixture = await ShardFixture.create();
  await fixture.apply([makeVersion({ id: '1', revision: 1n })]);
  using writer = fixture.writer();
  let busy: unknown = null;
  setCrashHook((name) => {
    if (name !== 'tree:spilled') return;
    const database = new SqliteDatabase(writer.path);
    [{ busy }] = database.pragma('wal_checkpoint(TRUNCATE)') as [{ busy: number }];
    database.close();
  });
  await build(fixture).finally(() => setCrashHook(null));
  expect(busy).toBe(0);
  setCrashHook((name) => name === 'tree:page' && void fixture.clock.sleep(snapshotLifeMsMax + 1));
  const late = build(fixture, { force: true }).finally(() => setCrashHook(null));
  await expect(late).rejects.toMatchObject({ code: 'timeout', details: { done: 1, leaves: 1 } });
});
