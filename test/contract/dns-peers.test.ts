/** Peers from DNS: running replicas that ask a name server of this test whom they belong to. */
import { getServers, setServers } from 'node:dns';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readSettings } from '../../src/settings/settings.ts';
import { makeAuthority, writeCertificate } from '../support/certificates.ts';
import { DnsServer } from '../support/dns-server.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

let cluster: Cluster;
let dns: DnsServer;
const servers = getServers();

beforeEach(async () => {
  cluster = await Cluster.create();
  dns = await DnsServer.start([]);
  setServers([dns.place]);
});

afterEach(async () => {
  setServers(servers);
  await cluster[Symbol.asyncDispose]();
  await dns[Symbol.asyncDispose]();
});

const found = { dns: '_grpc._tcp.replicas.example', peerInterval: '50ms' } as const;

const addressOf = ({ service }: Replica): string => service.address ?? '';
const portOf = (replica: Replica): string => addressOf(replica).split(':')[1] ?? '';

const peersOf = async (replica: Replica): Promise<string[]> => {
  const { body } = await replica.get('/v1/peers');
  return (body.peers ?? body).map(({ place }: { place: string }) => place);
};

const problemsOf = async (replica: Replica): Promise<number> => {
  const { body } = await replica.get('/metrics');
  return Number(/^tallystick_problems_total\{of="dns"\} (\d+)$/m.exec(body)?.[1] ?? 0);
};

test('replicas that SRV records list find each other, each once, and none takes itself for a peer', async () => {
  await cluster.load('one', { a: 1, b: 2 });
  await cluster.load('two', { b: 1, c: 1 });
  const two = await cluster.start('two', { name: 'alike' });
  const one = await cluster.start('one', { ...found, name: 'alike' });
  // Each under two addresses; names of replicas play no part.
  dns.answer = [one, two].flatMap((replica) => [addressOf(replica), `localhost:${portOf(replica)}`]);
  await expect.poll(() => peersOf(one)).toEqual([addressOf(two)]);
  const run = await one.run('/v1/repairs', {});
  expect(run).toMatchObject({ outcome: 'converged', counts: { changed: 3 } });
  expect((await two.get('/v1/properties/g/n/a')).status).toBe(200);
});

test('records that come and go are peers that come and go, and leave no metrics behind', async () => {
  const [two, three] = [await cluster.start('two'), await cluster.start('three')];
  dns.answer = [addressOf(two)];
  const one = await cluster.start('one', found);
  await expect.poll(() => peersOf(one)).toEqual([addressOf(two)]);
  dns.answer = [addressOf(three)];
  await expect.poll(() => peersOf(one)).toEqual([addressOf(three)]);
  const { body } = await one.get('/metrics');
  expect(body).toContain(`tallystick_peer_reachable{place="${addressOf(three)}"} 1`);
  expect(body).not.toContain(addressOf(two));
});

test('a lookup that fails is told once, counted, and leaves the peers as they were', async () => {
  await cluster.load('two', { a: 1 });
  const two = await cluster.start('two');
  dns.answer = [addressOf(two)];
  const one = await cluster.start('one', found);
  await expect.poll(() => peersOf(one)).toEqual([addressOf(two)]);
  const warned = async (): Promise<boolean> =>
    (await one.get('/v1/status')).body.warnings.some((text: string) => text.includes(found.dns));
  expect(await warned()).toBe(false);
  for (const failure of [2, 3] as const) {
    const before = await problemsOf(one);
    dns.answer = failure;
    await expect.poll(() => problemsOf(one)).toBeGreaterThan(before + 2);
    expect(await warned()).toBe(true);
    expect(await peersOf(one)).toEqual([addressOf(two)]);
  }
  expect(await one.run('/v1/repairs', {})).toMatchObject({ outcome: 'converged' });
  dns.answer = [addressOf(two)];
  await expect.poll(warned).toBe(false);
  const told = one.log.filter(({ message }) => message.includes('DNS'));
  expect(told.map(({ level }) => level)).toEqual(['warn', 'warn', 'info']);
});

test('as long as nobody knows whom DNS lists, no round says that all have converged', async () => {
  const [two, three] = [await cluster.start('two'), await cluster.start('three')];
  await cluster.load('one', { a: 1 });
  dns.answer = 2;
  const one = await cluster.start('one', { ...found, nodes: await cluster.nodes(two) });
  await expect.poll(() => problemsOf(one)).toBeGreaterThan(0);
  expect(await one.run('/v1/repairs', {})).toMatchObject({
    outcome: 'failed',
    error: { code: 'unreachable' },
  });
  // A peer that is chosen and known is.
  const chosen = await one.run('/v1/repairs', { peers: [addressOf(two)] });
  expect(chosen).toMatchObject({ outcome: 'converged', counts: { changed: 1 } });
  dns.answer = [addressOf(three), addressOf(two)];
  await expect.poll(() => peersOf(one)).toEqual([addressOf(two), addressOf(three)]);
  expect(await one.run('/v1/repairs', {})).toMatchObject({ outcome: 'converged', counts: { changed: 1 } });
});

test('a name that is set later is looked up at once', async () => {
  const two = await cluster.start('two');
  dns.answer = [addressOf(two)];
  const one = await cluster.start('one', { peerInterval: '1h' });
  expect(await peersOf(one)).toEqual([]);
  const flags = { root: cluster.root('one'), 'admin.listen': '127.0.0.1:0', dns: found.dns };
  await one.service.reload(await readSettings({ file: null, environment: {}, flags }));
  await expect.poll(() => peersOf(one)).toEqual([addressOf(two)]);
});

test('where a replica shows certificates and wants to see them, so it reaches those it found', async () => {
  const authority = await makeAuthority('authority');
  const inside = (file: string): string => join(cluster.directory, file);
  writeFileSync(inside('ca.crt'), authority.cert);
  await writeCertificate(cluster.directory, 'replica', authority);
  const tls = {
    'tls.cert': inside('replica.crt'),
    'tls.key': inside('replica.key'),
    'tls.ca': inside('ca.crt'),
  };
  await cluster.load('two', { a: 1 });
  const two = await cluster.start('two', tls);
  dns.answer = [addressOf(two)];
  const one = await cluster.start('one', { ...found, ...tls });
  await expect.poll(() => peersOf(one)).toEqual([addressOf(two)]);
  expect(await one.run('/v1/repairs', {})).toMatchObject({ outcome: 'converged', counts: { changed: 1 } });
});
