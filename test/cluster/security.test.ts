/** Replicas that speak TLS only, whom they let in, and what they refuse to do without it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { CodedError } from '../../src/lib/coded-error.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { PeerShardCopy } from '../../src/peer/peer-shard-copy.ts';
import { makeAuthority, writeCertificate } from '../support/certificates.ts';
import { runCli, temporaryFolder } from '../support/run-cli.ts';
import { ServedCluster } from '../support/served-cluster.ts';
import { ServeProcess } from '../support/served-replica.ts';
import { makeVersion } from '../support/versions.ts';

// A test starts several processes one after another; a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000 });

/** Settings of a replica that speaks TLS with its certificate; `more` are further lines under `tls`. */
function settingsFile(folder: string, name: string, more: readonly string[] = []): string {
  const path = join(folder, `${name}.yaml`);
  const lines = [`cert: ${folder}/${name}.crt`, `key: ${folder}/${name}.key`, ...more];
  writeFileSync(path, `tls:\n${lines.map((line) => `  ${line}\n`).join('')}`);
  return path;
}

async function withAuthority(cluster: ServedCluster, names: readonly string[]): Promise<void> {
  const authority = await makeAuthority('authority');
  writeFileSync(join(cluster.folder, 'ca.crt'), authority.cert);
  for (const name of names) await writeCertificate(cluster.folder, name, authority);
}

test('replicas that speak TLS are reached by a nodes file that says so, and by no other', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 2);
  await cluster.drift(20);
  await withAuthority(cluster, ['replica']);
  await cluster.start({ more: ['--config', settingsFile(cluster.folder, 'replica')] });
  const round = await runCli(['round', '--nodes', cluster.nodesFile(true), '--json']);
  expect(round).toMatchObject({ code: 0, last: { summary: { outcome: 'converged', changed: 41 } } });
  expect((await runCli(['audit', '--nodes', cluster.nodesFile(true), '--json'])).code).toBe(0);
  const plain = await runCli(['audit', '--nodes', cluster.nodesFile(), '--json']);
  expect(plain.code).toBe(3);
  const places = await runCli([
    'diff',
    ...cluster.places,
    '--tls-ca',
    join(cluster.folder, 'ca.crt'),
    '--json',
  ]);
  expect(places.code).toBe(0);
});

test('with mTLS a caller shows a certificate, and its name is on the list', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 2);
  await cluster.drift(20);
  await withAuthority(cluster, ['replica', 'alice', 'bob']);
  const stranger = await makeAuthority('stranger');
  await writeCertificate(cluster.folder, 'mallory', stranger);
  const tls = [`ca: ${cluster.folder}/ca.crt`, 'allow: [alice]'];
  await cluster.start({ more: ['--config', settingsFile(cluster.folder, 'replica', tls)] });
  const nodes = cluster.nodesFile(true);
  const as = async (name: string | null): Promise<Awaited<ReturnType<typeof runCli>>> => {
    const shown =
      name === null
        ? []
        : [
            '--tls-cert',
            join(cluster.folder, `${name}.crt`),
            '--tls-key',
            join(cluster.folder, `${name}.key`),
          ];
    return await runCli(['round', '--nodes', nodes, ...shown, '--json']);
  };
  for (const name of ['bob', 'mallory', null]) {
    const refused = await as(name);
    expect(refused.code, String(name)).toBe(3);
    expect(refused.last.summary, String(name)).toMatchObject({
      outcome: 'inconclusive',
      changed: 0,
      shards: 0,
    });
    if (name === 'bob') expect(refused.last.summary.reason).toContain('bob');
  }
  expect(await as('alice')).toMatchObject({
    code: 0,
    last: { summary: { outcome: 'converged', changed: 41 } },
  });
});

test.each([
  [['--listen', '0.0.0.0:0'], 'without TLS only loopback addresses are listened on, not 0.0.0.0'],
  [['--listen', '[::]:0'], 'without TLS only loopback addresses are listened on, not ::'],
])('without TLS, %j is refused', async (listen, reason) => {
  const folder = temporaryFolder();
  const child = new ServeProcess({ root: join(folder, 'root'), more: listen });
  const { code, stdout, stderr } = await child.ended;
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain(reason);
});

test('files that cannot be used and ports that are taken end serve at once, by name', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 1);
  await cluster.start();
  const taken = await new ServeProcess({
    root: join(cluster.folder, 'second'),
    listen: cluster.places[0] ?? '',
  }).ended;
  expect(taken).toMatchObject({ code: 2, stdout: '' });
  expect(taken.stderr).toContain('EADDRINUSE');
  const settings = settingsFile(cluster.folder, 'absent');
  const absent = await new ServeProcess({ root: join(cluster.folder, 'third'), more: ['--config', settings] })
    .ended;
  expect(absent).toMatchObject({ code: 2, stdout: '' });
  expect(absent.stderr).toContain('absent.crt');
});

test('a message beyond the ceiling ends its own call: the replica lives, and other calls are unharmed', async () => {
  await using cluster = new ServedCluster(temporaryFolder(), 1);
  await cluster.load(0, [{ metadata: { group: 'g', name: 'n' }, id: 'there' }]);
  await cluster.start();
  const options = { place: cluster.places[0] ?? '', clock: systemClock };
  using honest = new PeerClient(options);
  const settings = { shards: 2, slots: 32, spelling: 'compact' } as const;
  const before = cluster.replicas[0]?.peakMemoryMib() ?? 0;
  for (let time = 0; time < 5; time += 1) {
    const huge = makeVersion({ id: 'huge', revision: 1n, value: 'x'.repeat(24 * 1024 * 1024) });
    using flooding = new PeerClient({ ...options, limits: { sendBytesMax: 64 * 1024 * 1024 } });
    const flood = async (): Promise<unknown> => {
      await using session = await new PeerShardCopy(flooding, 'g', 0).openApply({
        settings,
        confirmed: null,
      });
      return await session.apply([huge]);
    };
    const error = await flood().catch((thrown: unknown) => CodedError.from(thrown).code);
    expect(error).toMatch(/^(too-large|busy|unreachable)$/);
    expect((await honest.listShards()).shards).toHaveLength(2);
  }
  expect(await honest.isServing()).toBe(true);
  // No message was taken in: five of them alone would be 120 MiB.
  expect((cluster.replicas[0]?.peakMemoryMib() ?? 0) - before).toBeLessThan(100);
});
