/** What a look at a shard says of its tree: current, behind, or of an index that is gone. */
import { rm } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { databasePath } from '../../../src/property-index/data-root.ts';
import { ShardWatch } from '../../../src/service/shard-watch.ts';
import { buildTree } from '../../../src/tree/build-tree.ts';
import { ShardFixture } from '../../support/shard-fixture.ts';
import { makeVersion } from '../../support/versions.ts';

test('a tree is current until the index is written, and not where the index is gone', async () => {
  await using fixture = await ShardFixture.create();
  const { identity, settings, clock } = fixture;
  const watch = new ShardWatch({ root: identity.root, held: null, clock, onDamage: () => expect.fail() });
  const look = async () => (await watch.look(new AbortController().signal))[0];
  expect(await look()).toMatchObject({ tree: null, moved: true });
  await fixture.apply([makeVersion({ id: 'a', revision: 1n })]);
  await buildTree({ identity, settings, clock });
  expect(await look()).toMatchObject({ tree: { leaves: 1 }, totals: { leaves: 1 }, moved: false });
  await fixture.apply([makeVersion({ id: 'b', revision: 1n })]);
  expect(await look()).toMatchObject({ tree: { leaves: 1 }, totals: { leaves: 2 }, moved: true });
  await buildTree({ identity, settings, clock });
  for (const suffix of ['', '-wal', '-shm']) {
    await rm(databasePath(identity.root, 'g', 0) + suffix, { force: true });
  }
  expect(await look()).toMatchObject({ tree: { leaves: 2 }, totals: null, moved: true });
});
