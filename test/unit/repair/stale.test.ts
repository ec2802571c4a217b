/** Indexes that have moved on since their trees: told, and harmless. */
import { expect, test } from 'vitest';
import type { StoredVersion } from '../../../src/shard-copy/shard-copy.ts';
import { copyOf, many, repairCopies } from '../../support/repairing.ts';
import { makeVersion } from '../../support/versions.ts';
import { WrappedShardCopy } from '../../support/wrapped-shard-copy.ts';

test('a stale tree is told, and does no harm', async () => {
  const [a, b] = [copyOf('A', many(3)), copyOf('B', [])];
  a.load([makeVersion({ id: 'e0', revision: 11n })]);
  b.load([makeVersion({ id: 'e1', revision: 12n })]);
  const { report, changes } = await repairCopies([a, b]);
  expect(report).toMatchObject({ outcome: 'repaired', stale: true, changed: 2, kept: 1 });
  expect(b.get(makeVersion({ id: 'e0', revision: 0n }).key)?.revision).toBe(11n);
  expect(b.get(makeVersion({ id: 'e1', revision: 0n }).key)?.revision).toBe(12n);
  expect(changes.find(({ entity }) => entity === 'g/n/e0')?.after.revision).toBe(11n);
});

test.each([
  ['a copy that alone has what it gives, which travels by heads', [] as StoredVersion[]],
  ['one of several', many(2)],
])('an index that moves on after it was compared is told: %s', async (_, held) => {
  const [a, b] = [copyOf('A', many(3)), copyOf('B', held)];
  const moving = new WrappedShardCopy(a, {
    beforeFetch: () => a.load([makeVersion({ id: 'e2', revision: 11n })]),
  });
  const { report } = await repairCopies([moving, b]);
  expect(report).toMatchObject({ outcome: 'repaired', stale: true });
  expect(report.shards[0]?.copies).toMatchObject([
    { place: 'A', stale: true, awaitsBuild: true },
    { place: 'B', stale: false },
  ]);
  expect(b.get(makeVersion({ id: 'e2', revision: 0n }).key)?.revision).toBe(11n);
});
