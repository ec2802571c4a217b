/** A service that looks after a BanyanDB cluster, on models of three nodes that had drifted as recorded. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ServedNode, serveNode } from '../support/model-cluster.ts';
import { recordedNode, ringGroup, ringNames } from '../support/recorded-ring.ts';
import { runCli } from '../support/run-cli.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

let cluster: Cluster;
let served: ServedNode[];

beforeEach(async () => {
  cluster = await Cluster.create();
  served = await Promise.all(ringNames.map((name) => serveNode(recordedNode(name), {})));
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
  await Promise.all(served.map((node) => node.stop()));
});

async function watching(mode: 'audit' | 'repair'): Promise<Replica> {
  const nodes = join(cluster.directory, 'banyandb.yaml');
  const listed = served.map(
    ({ place }, at) => `  - { name: "${ringNames[at]}", grpc_address: "${place}" }\n`,
  );
  writeFileSync(nodes, `nodes:\n${listed.join('')}`);
  const file = `banyandb: [{ name: main, nodes: ${nodes}, mode: ${mode}, groups: [{ group: ${ringGroup}, shards: 2 }] }]`;
  return await cluster.start(
    'watch',
    { 'round.mode': 'repair', 'round.cron': '* * * * * *', 'round.jitter': '1ms' },
    file,
  );
}

test('audits it on the schedule, says what differs, and refuses to mend what it may not', async () => {
  const replica = await watching('audit');
  const run = await replica.firstRun('/v1/events', ({ state }) => state === 'ended');
  expect(run).toMatchObject({
    group: 'banyandb/main',
    trigger: 'cron',
    dryRun: true,
    outcome: 'differs',
    counts: { changed: 0 },
  });
  expect(run.counts.differing).toBeGreaterThan(0);
  expect((await replica.get('/v1/shards/banyandb%2Fmain/0')).body).toMatchObject({
    agreement: { state: 'differs' },
    lastRound: { outcome: 'differs' },
    lastConvergedAt: null,
  });
  expect((await replica.get('/metrics')).body).toContain(
    'tallystick_shard_copies_equal{group="banyandb/main",shard="0"} 0',
  );
  const ordered = await replica.run('/v1/repairs', { group: 'banyandb/main' });
  expect(ordered).toMatchObject({ outcome: 'failed', error: { code: 'refused' } });
  expect((await replica.post('/v1/repairs', { group: 'banyandb/other' })).body.code).toBe('not-found');
});

test('mends it where that is allowed', async () => {
  const replica = await watching('repair');
  const run = await replica.firstRun('/v1/events', ({ outcome }) => outcome !== null);
  expect(run).toMatchObject({
    group: 'banyandb/main',
    dryRun: false,
    copies: served.map(({ place }) => ({ place })),
  });
  expect(run.counts.changed).toBeGreaterThan(0);
  await replica.firstRun('/v1/events', ({ outcome }) => outcome === 'converged');
  // How many nodes it has is not known between rounds.
  const { stdout } = await runCli(['status', '--admin', replica.admin]);
  expect(stdout).toMatch(/^banyandb\/main\/0 .*all equal /m);
});
