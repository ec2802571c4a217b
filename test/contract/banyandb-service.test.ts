/** A service that looks after a BanyanDB cluster, on models of three nodes that had drifted as recorded. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeAuthority, writeCertificate } from '../support/certificates.ts';
import { type ServedNode, serveNode } from '../support/model-cluster.ts';
import { serveLiaison } from '../support/model-liaison.ts';
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

/** A service that looks after these nodes; `more` is what else its settings say of the cluster. */
async function watching(
  mode: 'audit' | 'repair',
  more = `groups: [{ group: ${ringGroup}, shards: 2 }]`,
  listed = served.map(({ place }, at) => `{ name: "${ringNames[at]}", grpc_address: "${place}" }`),
): Promise<Replica> {
  const nodes = join(cluster.directory, 'banyandb.yaml');
  writeFileSync(nodes, `nodes:\n${listed.map((one) => `  - ${one}\n`).join('')}`);
  const file = `banyandb: [{ name: main, nodes: ${nodes}, mode: ${mode}, ${more} }]`;
  return await cluster.start(
    mode,
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
    pushRate: 200,
    copies: served.map(({ place }) => ({ place })),
  });
  expect(run.counts.changed).toBeGreaterThan(0);
  await replica.firstRun('/v1/events', ({ outcome }) => outcome === 'converged');
  // How many nodes it has is not known between rounds.
  const { stdout } = await runCli(['status', '--admin', replica.admin]);
  expect(stdout).toMatch(/^banyandb\/main\/0 .*all equal /m);
});

test('reaches a liaison and nodes by TLS, shows them a certificate, and repairs without TLS at the rate that is set', async () => {
  const folder = cluster.directory;
  const authority = await makeAuthority('authority');
  const stranger = await makeAuthority('stranger');
  writeFileSync(join(folder, 'ca.pem'), authority.cert);
  writeFileSync(join(folder, 'other.pem'), stranger.cert);
  for (const name of ['node', 'us']) await writeCertificate(folder, name, authority);
  const pem = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const tls = { cert: pem('node.crt'), key: pem('node.key') };
  await using opened = new AsyncDisposableStack();
  const doors = await Promise.all(
    served.map(async ({ place }, at) => {
      const node = recordedNode(ringNames[at] ?? '');
      return opened.use(await serveNode(node, { tls, repairAddress: place }));
    }),
  );
  const liaison = opened.use(
    await serveLiaison({
      groups: [{ name: ringGroup, shards: 2, replicas: 2 }],
      nodes: ringNames,
      tls: { ...tls, ca: authority.cert },
    }),
  );
  const listed = doors.map(
    ({ place }, at) =>
      `{ name: "${ringNames[at]}", grpc_address: "${place}", tls_enabled: true, ca_cert_path: ${folder}/ca.pem }`,
  );
  const shown = `tlsCert: ${folder}/us.crt, tlsKey: ${folder}/us.key`;
  const more = (ca: string): string =>
    `liaison: "${liaison.place}", tlsCa: ${folder}/${ca}.pem, ${shown}, repairPlain: true, pushRate: 60`;
  const distrusting = await watching('audit', more('other'), listed);
  const failed = await distrusting.firstRun('/v1/events', ({ outcome }) => outcome !== null);
  expect(failed).toMatchObject({ outcome: 'inconclusive', counts: { differing: 0 } });
  const replica = await watching('repair', more('ca'), listed);
  const run = await replica.firstRun('/v1/events', ({ outcome }) => outcome !== null);
  expect(run.counts.changed).toBeGreaterThan(0);
  expect(run.pushRate).toBe(60);
  const pushed = Math.max(...run.copies.map(({ changed }) => changed));
  // The pace begins with a quarter of the limit.
  const tookMs = Date.parse(run.endedAt ?? '') - Date.parse(run.startedAt ?? '');
  expect(tookMs).toBeGreaterThan((1_000 * (pushed - 10)) / 15);
});

test('accepts pages of leaves as large as is set, and says what accepts larger ones', async () => {
  const large = 'x'.repeat(1.5 * 1024 * 1024);
  await using node = await serveNode(recordedNode('node-1'), {
    tamper: (answers) => {
      for (const { data } of answers) {
        const [leaf] = data.case === 'differTreeSummary' ? data.value.nodes : [];
        if (leaf !== undefined) leaf.entity = large;
      }
      return answers;
    },
  });
  const listed = [node, ...served.slice(1)].map(
    ({ place }, at) => `{ name: "${ringNames[at]}", grpc_address: "${place}" }`,
  );
  const groups = `groups: [{ group: ${ringGroup}, shards: 2 }]`;
  const small = await watching('audit', `${groups}, pageMax: 1`, listed);
  const refused = await small.firstRun('/v1/events', ({ outcome }) => outcome !== null);
  expect(refused).toMatchObject({
    outcome: 'inconclusive',
    reason: expect.stringContaining('pageMax') as unknown,
  });
  const ample = await watching('repair', `${groups}, pageMax: 4`, listed);
  const accepted = await ample.firstRun('/v1/events', ({ outcome }) => outcome !== null);
  expect(accepted.reason).not.toContain('pageMax');
});
