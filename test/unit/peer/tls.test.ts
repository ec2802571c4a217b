/** Encrypted peers, on certificates made here. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { PeerClient } from '../../../src/peer/peer-client.ts';
import { PeerServer, type PeerServerOptions } from '../../../src/peer/peer-server.ts';
import type { ServedCallEvent } from '../../../src/peer/served-call.ts';
import { TlsFiles } from '../../../src/peer/tls.ts';
import {
  type Authority,
  makeAuthority,
  writeCertificate as writeSigned,
} from '../../support/certificates.ts';
import { MemoryShardCopy } from '../../support/memory-shard-copy.ts';
import { providerOf } from '../../support/peer-pair.ts';

let directory: string;
const path = (name: string): string => join(directory, name);
let authority: Authority;

const writeCertificate = (name: string, by = authority): Promise<void> => writeSigned(directory, name, by);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tallystick-tls-'));
  authority = await makeAuthority('authority');
  writeFileSync(path('ca.crt'), authority.cert);
  await Promise.all(['server', 'alice', 'bob'].map((name) => writeCertificate(name)));
  const stranger = await makeAuthority('stranger');
  writeFileSync(path('stranger-ca.crt'), stranger.cert);
  await writeCertificate('mallory', stranger);
});
afterAll(() => rmSync(directory, { recursive: true }));

const files = (name: string, ca: string | null = 'ca'): TlsFiles =>
  new TlsFiles({
    certPath: path(`${name}.crt`),
    keyPath: path(`${name}.key`),
    ...(ca !== null && { caPath: path(`${ca}.crt`) }),
  });

async function startServer(
  options: Partial<PeerServerOptions>,
): Promise<{ server: PeerServer; place: string }> {
  const copy = new MemoryShardCopy();
  copy.build();
  const server = new PeerServer({ provider: providerOf([copy]), clock: systemClock, ...options });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return { server, place: `127.0.0.1:${port}` };
}

async function outcome(place: string, tls?: TlsFiles): Promise<string> {
  using client = new PeerClient({
    place,
    clock: systemClock,
    ...(tls && { tls }),
    deadlines: { listShardsMs: 3_000 },
  });
  return await client.listShards().then(
    ({ name }) => name,
    (error: { code: string }) => error.code,
  );
}

test('a client checks who it speaks to', async () => {
  const { server, place } = await startServer({ tls: files('server', null) });
  await using _ = server;
  expect(await outcome(place, new TlsFiles({ caPath: path('ca.crt') }))).toBe('tested');
  expect(await outcome(place, new TlsFiles({ caPath: path('stranger-ca.crt') }))).toBe('unreachable');
  expect(await outcome(place, new TlsFiles({}))).toBe('unreachable');
  expect(await outcome(place)).toBe('unreachable');
});

test('a server checks who calls, by signature and by name', async () => {
  const events: ServedCallEvent[] = [];
  const { server, place } = await startServer({
    tls: files('server'),
    allowedPeers: ['alice'],
    onCall: (event) => events.push(event),
  });
  await using _ = server;
  expect(await outcome(place, files('alice'))).toBe('tested');
  expect(events).toMatchObject([{ call: 'ListShards', peer: 'alice', error: null }]);
  expect(await outcome(place, files('bob'))).toBe('refused');
  expect(await outcome(place, files('mallory'))).toBe('unreachable');
  // Without any certificate it is hung up on, with one of a stranger too.
  expect(await outcome(place, new TlsFiles({ caPath: path('ca.crt') }))).toBe('unreachable');
  expect(events.filter(({ error }) => error === null)).toHaveLength(1);
});

test('certificates that change are used from the next connection, broken ones are not', async () => {
  const problems: string[] = [];
  const pick = (name: string): { certPath: string; keyPath: string } => ({
    certPath: path(`${name}.crt`),
    keyPath: path(`${name}.key`),
  });
  await writeCertificate('renewed');
  const tls = new TlsFiles(pick('renewed'), { onProblem: ({ code }) => problems.push(code) });
  const { server, place } = await startServer({ tls });
  await using _ = server;
  const trusting = new TlsFiles({ caPath: path('trusted.crt') });
  writeFileSync(path('trusted.crt'), authority.cert);
  expect(await outcome(place, trusting)).toBe('tested');
  const next = await makeAuthority('next');
  await writeCertificate('renewed', next);
  expect(await outcome(place, trusting)).toBe('unreachable');
  writeFileSync(path('trusted.crt'), next.cert);
  expect(await outcome(place, trusting)).toBe('tested');
  writeFileSync(path('renewed.crt'), 'half a certif');
  expect(await outcome(place, trusting)).toBe('tested');
  expect(problems).toContain('bad-settings');
});

test('an open client goes over to a changed certificate', async () => {
  const peers: (string | null)[] = [];
  const { server, place } = await startServer({
    tls: files('server'),
    onCall: ({ peer }) => peers.push(peer),
  });
  await using _ = server;
  await writeCertificate('moving');
  using client = new PeerClient({ place, clock: systemClock, tls: files('moving') });
  await client.listShards();
  await writeCertificate('moved');
  for (const end of ['crt', 'key']) copyFileSync(path(`moved.${end}`), path(`moving.${end}`));
  await client.listShards();
  await client.listShards();
  expect(peers).toEqual(['moving', 'moved', 'moved']);
});

test('files that cannot be used are told at once', async () => {
  writeFileSync(path('noise.crt'), 'noise');
  const load = (paths: ConstructorParameters<typeof TlsFiles>[0]) => () => new TlsFiles(paths).load();
  expect(load({ caPath: path('absent.crt') })).toThrow(expect.objectContaining({ code: 'not-found' }));
  expect(load({ certPath: path('noise.crt'), keyPath: path('server.key') })).toThrow(
    expect.objectContaining({ code: 'bad-settings' }),
  );
  expect(load({ certPath: path('server.crt'), keyPath: path('alice.key') })).toThrow(
    expect.objectContaining({ code: 'bad-settings' }),
  );
});
