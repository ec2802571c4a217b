/** Which nodes are asked for which shards, with a liaison and without one, and what is said of nodes left out. */
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Catalog } from '../../../src/banyandb/generated/banyandb/common/v1/common_pb.ts';
import {
  ClusterStateService,
  GroupRegistryService,
  Role,
} from '../../../src/banyandb/generated/banyandb/database/v1/database_pb.ts';
import { parseSource } from '../../../src/property/source-json.ts';
import { type ServedNode, serveNode } from '../../support/model-cluster.ts';
import { ModelNode } from '../../support/model-node.ts';
import { runCli } from '../../support/run-cli.ts';
import { makeVersion } from '../../support/versions.ts';

const names = ['a', 'b', 'c'] as const;
let nodes: ModelNode[];
let served: ServedNode[];
let liaison: Http2Server;

beforeEach(async () => {
  nodes = names.map((name) => new ModelNode({ name }));
  served = await Promise.all(nodes.map((node) => serveNode(node)));
});

afterEach(async () => {
  await Promise.all(served.map((node) => node.stop()));
});

/** A liaison whose registry has one group of three shards, two copies each: a and b, b and c, c and a. */
async function serveLiaison(): Promise<string> {
  const group = {
    metadata: { name: 'g' },
    catalog: Catalog.PROPERTY,
    resourceOpts: { shardNum: 3, replicas: 1 },
  };
  const registered = names.map((name) => ({ metadata: { name }, roles: [Role.DATA] }));
  liaison = createServer(
    connectNodeAdapter({
      routes: (router) => {
        router.service(GroupRegistryService, { list: () => ({ group: [group] }) });
        router.service(ClusterStateService, {
          getClusterState: () => ({ routeTables: { tire2: { registered } } }),
        });
      },
    }),
  );
  await new Promise<void>((resolve) => liaison.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(liaison.address() as AddressInfo).port}`;
}

const placed = [
  [0, 2],
  [0, 1],
  [1, 2],
] as const;

/** Gives each node an equal property in each shard that it has. */
function fill(): void {
  for (const [at, shards] of placed.entries()) {
    for (const shard of shards) {
      nodes[at]?.shard('g', shard).write(parseSource(makeVersion({ id: 'x', revision: 5n }).source));
    }
    nodes[at]?.build();
  }
}

const shardsOf = (): string[][] => nodes.map((node) => node.shards.toSorted());
const asPlaced = placed.map((shards) => shards.map((shard) => `g/${shard}`));

test('with a liaison a node is asked for its own shards only, and makes no other', async () => {
  fill();
  const place = await serveLiaison();
  try {
    for (const verb of ['audit', 'round']) {
      const { code, lines } = await runCli([
        verb,
        ...served.map((one) => one.place),
        '--liaison',
        place,
        '--json',
      ]);
      expect([verb, code]).toEqual([verb, 0]);
      const peers = lines.flatMap((line) => ('peers' in line ? [(line['peers'] as unknown[]).length] : []));
      expect(peers).toEqual(verb === 'audit' ? [2, 2, 2] : []);
      expect(shardsOf()).toEqual(asPlaced);
    }
  } finally {
    liaison.close();
  }
});

test('a node that has a copy and was not named makes the outcome inconclusive, by name', async () => {
  fill();
  const place = await serveLiaison();
  try {
    const named = served.slice(0, 2).map((one) => one.place);
    const audited = await runCli(['audit', ...named, '--liaison', place, '--json']);
    expect(audited.code).toBe(3);
    expect(audited.lines.find(({ shard }) => shard === 1)?.['peers']).toMatchObject([
      { name: 'b', error: null },
      { name: 'c', kind: 'banyandb', error: expect.stringMatching(/by the cluster's registry/) as unknown },
    ]);
    const done = await runCli(['round', ...named, '--liaison', place, '--json']);
    expect(done.code).toBe(3);
    expect(done.last).toMatchObject({
      summary: {
        outcome: 'inconclusive',
        reason: expect.stringMatching(/^c: has a copy of group g, shard 1/) as unknown,
        copies: [{ outcome: 'converged' }, { outcome: 'converged' }, { place: 'c', outcome: 'inconclusive' }],
      },
    });
    // What is narrowed to a shard that all named nodes have is complete.
    const narrowed = await runCli(['round', ...named, '--liaison', place, '--shard', '0', '--json']);
    expect(narrowed.code).toBe(0);
  } finally {
    liaison.close();
  }
});

test('without a liaison it is said what every named node is asked for', async () => {
  fill();
  const places = served.slice(0, 2).map((one) => one.place);
  const narrowed = await runCli([
    'audit',
    ...places,
    '--group',
    'g',
    '--shards',
    '3',
    '--shard',
    '0',
    '--json',
  ]);
  expect(narrowed.code).toBe(0);
  expect(narrowed.stderr).toMatch(/every BanyanDB node named here is asked for shard 0 of group g/);
  expect(shardsOf()).toEqual(asPlaced);
  const whole = await runCli(['audit', ...places, '--group', 'g', '--shards', '3', '--json']);
  expect(whole.stderr).toMatch(/is asked for shards 0 to 2 of group g, and one that the cluster gives none/);
  expect(whole.stderr.match(/is asked for/g)).toHaveLength(1);
});
