/** What a liaison says, and which shards of it each node is asked for. */
import { expect, test } from 'vitest';
import { readClusterGroups } from '../../../src/banyandb/cluster-registry.ts';
import { foreseeOwnRepair } from '../../../src/banyandb/own-repair.ts';
import { Catalog } from '../../../src/banyandb/generated/banyandb/common/v1/common_pb.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import type { Version } from '../../../src/property/version.ts';
import { serveLiaison } from '../../support/model-liaison.ts';

test('groups of properties are placed as the liaison deals all shards of all groups to its data nodes', async () => {
  await using liaison = await serveLiaison({
    groups: [
      { name: 'ui', shards: 2, replicas: 1 },
      { name: 'metrics', shards: 2, replicas: 0, catalog: Catalog.MEASURE },
      { name: 'all', shards: 1, replicas: 5 },
      { name: '_internal', shards: 1, replicas: 0 },
      { name: 'odd', shards: 0, replicas: 0, catalog: Catalog.UNSPECIFIED },
    ],
    nodes: ['c', 'a', 'b'],
  });
  // In order: _internal/0, all/0, metrics/0, metrics/1, ui/0, ui/1, dealt to a, b, c.
  expect(await readClusterGroups({ place: liaison.place, clock: systemClock })).toEqual([
    { group: 'all', shards: 1, holders: [new Set(['a', 'b', 'c'])] },
    { group: 'ui', shards: 2, holders: [new Set(['b', 'c']), new Set(['c', 'a'])] },
  ]);
});

const version = (revision: bigint, deleteTime: bigint, digest = 1): Version => ({
  revision,
  deleteTime,
  digest: Buffer.alloc(64, digest),
});

test.each([
  // Versions of the nodes in ring order, what each start leaves, whether a delete may come back.
  [[version(1n, 5n), version(1n, 0n), version(1n, 6n)], ['deleted', 'live', 'deleted'], true],
  [[version(1n, 5n), null, version(1n, 6n)], ['deleted', 'deleted', 'deleted'], false],
  [[version(2n, 5n), version(1n, 0n), null], ['deleted', 'deleted', 'deleted'], false],
  [[version(1n, 5n), version(2n, 0n)], ['live', 'live'], false],
  [[null, version(3n, 0n)], ['live', 'live'], false],
] as const)('what the own repair of BanyanDB leaves, case %#', (versions, leaves, undeletes) => {
  expect(foreseeOwnRepair(versions)).toEqual({ leaves, undeletes, unmended: expect.any(Boolean) as unknown });
});

test('other content at the same revision and delete time stays as it is', () => {
  expect(foreseeOwnRepair([version(1n, 0n, 1), version(1n, 0n, 2)]).unmended).toBe(true);
  expect(foreseeOwnRepair([version(1n, 0n, 1), version(1n, 0n, 1)]).unmended).toBe(false);
});
