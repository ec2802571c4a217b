/** Three replicas, each a process: audited, repaired, killed, cut and written to while a round runs. */
import { expect, test, vi } from 'vitest';
import { Child } from '../support/run-child.ts';
import { startCuttingProxy } from '../support/hostile-peer.ts';
import { runCli, temporaryFolder, writeRecords } from '../support/run-cli.ts';
import { idsOf, record, ServedCluster } from '../support/served-cluster.ts';

// A test starts several processes one after another; a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000 });

/** All agree, and the delete of {@link ServedCluster.drift} stands everywhere. */
async function expectAgreement(cluster: ServedCluster, leaves: number): Promise<void> {
  const audit = await cluster.audit();
  expect(audit).toMatchObject({ code: 0 });
  expect(audit.lines.at(-1)).toMatchObject({ summary: { outcome: 'matched', differing: 0 } });
  const roots = await cluster.listedRoots();
  expect(new Set(roots).size).toBe(1);
  const counts = [...(roots[0] ?? '').matchAll(/\d+:(\d+):/g)].map(([, count]) => Number(count));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(leaves);
  for (const root of cluster.roots) {
    const found = await runCli(['get', '--root', root, 'g/n/common-7', '--deleted', '--json']);
    expect(found.last.deleteTime).not.toBe('0');
  }
}

test('audit tells who has what, a round over a nodes file makes all equal, a further one ships nothing', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 3);
  await cluster.drift(50);
  await cluster.start();
  const before = await cluster.audit();
  expect(before.code).toBe(1);
  expect(before.lines.at(-1)).toMatchObject({ summary: { outcome: 'differs', differing: 151 } });
  const nodes = cluster.nodesFile();
  const round = await runCli(['round', '--nodes', nodes, '--json']);
  expect(round.code).toBe(0);
  expect(round.last.summary).toMatchObject({ outcome: 'converged', changed: 302, shipped: 302, failed: 0 });
  expect(round.last.summary.copies).toEqual(
    cluster.places.map((place, at) =>
      expect.objectContaining({ place, outcome: 'converged', changed: at === 0 ? 100 : 101 }),
    ),
  );
  await expectAgreement(cluster, 250);
  const again = await runCli(['round', '--nodes', nodes, '--json']);
  expect(again.last.summary).toMatchObject({ outcome: 'converged', shipped: 0, bytes: 0 });
});

test('a replica killed in the middle of a round costs nothing', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 3);
  await cluster.drift(600);
  await cluster.start();
  const victim = cluster.places[2];
  let changes = 0;
  const cut = await cluster.round(async ({ place, result }) => {
    if (place === victim && result === 'changed' && ++changes === 100) await cluster.replicas[2]?.kill();
  });
  expect(cut).toMatchObject({
    outcome: 'inconclusive',
    copies: [{}, {}, { outcome: 'inconclusive', lost: true }],
  });
  expect((await cluster.audit()).code).toBe(3);
  await cluster.start({ listen: victim ?? '' }, 2);
  expect(await cluster.round()).toMatchObject({ outcome: 'converged' });
  expect(await cluster.round()).toMatchObject({ outcome: 'converged', repair: { shipped: 0 } });
  await expectAgreement(cluster, 1_900);
});

test('two coordinators on one shard at once do no harm', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 3);
  await cluster.drift(400);
  await cluster.start();
  const rounds = await Promise.all([
    cluster.round(),
    cluster.round(undefined, [...cluster.places].reverse()),
  ]);
  for (const { outcome, repair } of rounds) {
    expect(outcome).toBe('converged');
    expect(repair.failed).toBe(0);
  }
  expect(rounds.reduce((sum, { repair }) => sum + repair.changed, 0)).toBe(2 * 1_201);
  expect(await cluster.round()).toMatchObject({ outcome: 'converged', repair: { shipped: 0 } });
  await expectAgreement(cluster, 1_300);
});

test('writes go on while rounds run; the next round has them everywhere', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 3);
  await cluster.drift(50);
  await cluster.start();
  const files = idsOf('batch', 8).map((batch) =>
    writeRecords(
      cluster.folder,
      batch,
      idsOf(batch, 100).map((id) => record(id)),
    ),
  );
  const writer = new Child('load-child.ts', { root: cluster.roots[1], files });
  // One batch a round, somewhere in the middle of it.
  for (const _file of files) {
    writer.tell('next');
    const [report] = await Promise.all([cluster.round(), writer.line()]);
    expect(report.outcome).toBe('converged');
  }
  expect(await writer.ended()).toMatchObject({ code: 0 });
  expect(await cluster.round()).toMatchObject({ outcome: 'converged' });
  await expectAgreement(cluster, 250 + 800);
});

test('a connection that is cut makes a round inconclusive; over a whole one it is completed', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 2);
  await cluster.drift(500);
  await cluster.start();
  const port = Number(cluster.places[1]?.split(':').at(-1));
  for (const cut of [{ down: 4_000 }, { down: 40_000 }, { up: 60_000 }]) {
    await using proxy = await startCuttingProxy(port, cut);
    const report = await cluster.round(undefined, [cluster.places[0] ?? '', `127.0.0.1:${proxy.port}`]);
    expect(report.outcome).toBe('inconclusive');
    expect(report.copies[1]).toMatchObject({ outcome: 'inconclusive', lost: true });
  }
  expect(await cluster.round()).toMatchObject({ outcome: 'converged' });
  await expectAgreement(cluster, 1_100);
});

test('SIGTERM ends a replica cleanly while a round is on', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 3);
  await cluster.drift(600);
  await cluster.start();
  let changes = 0;
  const report = await cluster.round(({ place }) => {
    if (place === cluster.places[2] && ++changes === 50) cluster.replicas[2]?.signal('SIGTERM');
  });
  expect(['converged', 'inconclusive']).toContain(report.outcome);
  const end = await cluster.replicas[2]?.ended;
  expect(end).toMatchObject({ code: 0, signal: null });
  expect(end?.stderr).toContain('stopped');
  // One line on stdout, ever.
  expect(end?.stdout.trimEnd().split('\n')).toHaveLength(1);
  await cluster.start({}, 2);
  expect(await cluster.round()).toMatchObject({ outcome: 'converged' });
  await expectAgreement(cluster, 1_900);
});

test('a replica that is not there is named; the rest agree', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 3);
  await cluster.drift(20);
  await cluster.start();
  await cluster.replicas[1]?.kill();
  const audit = await runCli(['audit', ...cluster.places, '--json']);
  expect(audit.code).toBe(3);
  const [shard] = audit.lines;
  expect(shard.peers.find(({ place }: { place: string }) => place === cluster.places[1])).toMatchObject({
    root: null,
    error: expect.stringContaining('ECONNREFUSED'),
  });
  const round = await runCli(['round', ...cluster.places, '--json']);
  expect(round.code).toBe(3);
  expect(round.last.summary).toMatchObject({
    outcome: 'inconclusive',
    copies: [{ outcome: 'converged' }, { outcome: 'inconclusive' }, { outcome: 'converged' }],
  });
  expect(round.last.summary.reason).toContain(cluster.places[1]);
  expect((await cluster.audit([cluster.places[0] ?? '', cluster.places[2] ?? ''])).code).toBe(0);
  // A place that is a folder takes part as any other.
  const mixed = await runCli([
    'round',
    cluster.roots[1] ?? '',
    cluster.places[0] ?? '',
    cluster.places[2] ?? '',
    '--json',
  ]);
  expect(mixed.last.summary.outcome).toBe('converged');
});
