/** The admin endpoint over TLS, with real certificates: who gets in, and that a renewed certificate is shown. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type PeerCertificate } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Authority, makeAuthority, writeCertificate } from '../support/certificates.ts';
import { runCli } from '../support/run-cli.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

const token = 'operator-token-0123456789';

let cluster: Cluster;
let authority: Authority;
let ca: string;

beforeAll(async () => {
  cluster = await Cluster.create();
  authority = await makeAuthority('authority');
  ca = join(cluster.directory, 'ca.crt');
  writeFileSync(ca, authority.cert);
  writeFileSync(join(cluster.directory, 'token'), `${token}\n`);
  for (const name of ['replica', 'alice']) await writeCertificate(cluster.directory, name, authority);
  await writeCertificate(cluster.directory, 'mallory', await makeAuthority('stranger'));
  for (const name of ['one', 'two']) await cluster.load(name, { a: 1 });
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

function file(name: string): string {
  return join(cluster.directory, name);
}

/** Starts a replica whose endpoint has the certificate of `replica`; `more` are further lines under `admin`. */
async function startSecure(name: string, more: readonly string[], flags = {}): Promise<Replica> {
  const lines = [
    'admin:',
    ...more,
    '  tls:',
    `    cert: ${file('replica.crt')}`,
    `    key: ${file('replica.key')}`,
  ];
  const mutual = more.length === 0 ? [`    ca: ${ca}`] : [];
  return await cluster.start(name, flags, [...lines, ...mutual, ''].join('\n'));
}

const show = (name: string): string[] => [
  '--tls-cert',
  file(`${name}.crt`),
  '--tls-key',
  file(`${name}.key`),
];

/** Ends with the code of the verb `runs` and its last line. */
const runs = ({ admin }: Replica, ...more: string[]) =>
  runCli(['runs', '--json', '--admin', admin, '--tls-ca', ca, ...more]);

test('with a token over TLS, on any address', async () => {
  const tokens = ['  tokens:', `    - { name: ops, role: operator, tokenFile: ${file('token')} }`];
  const replica = await startSecure('one', tokens, { 'admin.listen': '0.0.0.0:0' });
  const admin = `127.0.0.1:${replica.admin.split(':')[1]}`;
  const secure = ['runs', '--json', '--admin', admin, '--tls-ca', ca];
  expect((await runCli([...secure, '--token-file', file('token')])).code).toBe(0);
  expect((await runCli(secure)).last.error).toMatchObject({ code: 'refused', status: 401 });
  // Neither without encryption, nor trusting whoever answers.
  expect((await runCli(['runs', '--json', '--admin', admin])).last.error.code).toBe('unreachable');
  const untrusted = await runCli([
    'runs',
    '--json',
    '--admin',
    `https://${admin}`,
    '--token-file',
    file('token'),
  ]);
  expect(untrusted.last.error).toMatchObject({ code: 'unreachable' });
  await replica.service[Symbol.asyncDispose]();
});

test('a certificate that the authority signed is an operator by its name; no other gets in', async () => {
  const replica = await startSecure('one', [], { 'admin.listen': '0.0.0.0:0' });
  const at = { admin: `127.0.0.1:${replica.admin.split(':')[1]}` } as Replica;
  expect((await runs(at, ...show('alice'))).code).toBe(0);
  expect((await runCli(['pause', '--admin', at.admin, '--tls-ca', ca, ...show('alice')])).code).toBe(0);
  const order = replica.log.findLast(({ message }) => message === 'an order was given');
  expect(order?.fields).toMatchObject({ caller: 'alice', route: '/v1/pause' });
  expect((await runs(at)).last.error.code).toBe('unreachable');
  expect((await runs(at, ...show('mallory'))).last.error.code).toBe('unreachable');
  await replica.service[Symbol.asyncDispose]();
});

test('a renewed certificate is shown by the next connection; one that cannot be used leaves the old, and is told', async () => {
  const replica = await startSecure('two', []);
  const before = await shown(replica);
  await writeCertificate(cluster.directory, 'replica', authority);
  const renewed = await shown(replica);
  expect(renewed.serialNumber).not.toBe(before.serialNumber);
  expect((await runs(replica, ...show('alice'))).code).toBe(0);
  writeFileSync(file('replica.crt'), 'no certificate');
  expect((await shown(replica)).serialNumber).toBe(renewed.serialNumber);
  const told = replica.log.find(({ message }) => message.includes('certificates could not be used'));
  expect(told?.fields).toMatchObject({ of: 'tls', error: { code: 'bad-settings' } });
});

/** The certificate that a new connection is shown. */
async function shown({ admin }: Replica): Promise<PeerCertificate> {
  const [host = '', port = ''] = admin.split(':');
  const { promise, resolve, reject } = Promise.withResolvers<PeerCertificate>();
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () =>
    resolve(socket.getPeerCertificate()),
  );
  socket.once('error', reject);
  const certificate = await promise;
  socket.destroy();
  return certificate;
}
