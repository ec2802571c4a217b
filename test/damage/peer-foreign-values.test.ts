/** A peer that answers a fetch of the right key with a value of something else: a real data root takes none of it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import type { Version } from '../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { PeerShardCopy } from '../../src/peer/peer-shard-copy.ts';
import { toWireVersion } from '../../src/peer/wire-version.ts';
import { repairShards } from '../../src/repair/repair-shards.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { startHostileServer } from '../support/hostile-peer.ts';
import { ShardFixture } from '../support/shard-fixture.ts';
import { changeFetched, honest, settings, shards, startHonest } from '../support/tampered-peer.ts';
import { makeVersion } from '../support/versions.ts';

beforeAll(async () => void (await startHonest()));
afterAll(async () => await honest[Symbol.asyncDispose]());

/** A value as it would travel, under the key that was asked. */
const sentUnder = (key: Uint8Array, options: Parameters<typeof makeVersion>[0]): Version => ({
  ...toWireVersion(makeVersion(options)),
  key,
});

test.each<[string, (answer: Version) => Version]>([
  ['another entity', ({ key }) => sentUnder(key, { id: 'elsewhere', revision: 10n })],
  ['another entity, and newer', ({ key }) => sentUnder(key, { id: 'elsewhere', revision: 11n })],
  ['a foreign group', ({ key }) => sentUnder(key, { group: 'h', id: 'e1', revision: 11n })],
  ['an older revision than it says', (answer) => ({ ...answer, revision: 11n })],
  ['no delete, though it says one', (answer) => ({ ...answer, deleteTime: 12n })],
  ['nothing that can be read', (answer) => ({ ...answer, source: Buffer.from('{') })],
])('%s', async (_, change) => {
  await using here = await ShardFixture.create(settings);
  await buildTree({ identity: here.identity, settings, clock: systemClock });
  const copy = new LocalShardCopy({ ...here.identity, clock: systemClock });
  const tampering = changeFetched((answer) => [{ ...answer, answers: answer.answers.map(change) }]);
  await using hostile = await startHostileServer(shards(), tampering);
  using client = new PeerClient({ place: `127.0.0.1:${hostile.port}`, clock: systemClock });
  const copies = [copy, new PeerShardCopy(client, 'g', 0)];
  const report = await repairShards([{ group: 'g', shard: 0, copies }], {
    clock: systemClock,
    dryRun: false,
  });
  expect(report).toMatchObject({ outcome: 'failed', differing: 300, changed: 0, failed: 300 });
  await buildTree({ identity: here.identity, settings, clock: systemClock, force: true });
  await using view = await copy.openView();
  expect(view.description.leaves).toBe(0);
});
