/** Nodes behind TLS: their gRPC and where they repair are encrypted each by a switch of its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { parseSource } from '../../../src/property/source-json.ts';
import { makeAuthority, writeCertificate } from '../../support/certificates.ts';
import { type ServedNode, serveNode } from '../../support/model-cluster.ts';
import { ModelNode } from '../../support/model-node.ts';
import { runCli } from '../../support/run-cli.ts';
import { makeVersion } from '../../support/versions.ts';

let directory: string;
let ca: string;
let tls: { cert: string; key: string };
let stopping: ServedNode[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tls-'));
  const authority = await makeAuthority('authority');
  ca = join(directory, 'ca.pem');
  writeFileSync(ca, authority.cert);
  await writeCertificate(directory, 'node', authority);
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
  tls = { cert: read('node.crt'), key: read('node.key') };
});
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(async () => {
  await Promise.all(stopping.map((served) => served.stop()));
  stopping = [];
});

/** Two nodes that differ, each with both its addresses, encrypted as asked. */
async function serveTwo(encrypted: { grpc: boolean; repair: boolean }): Promise<string[]> {
  const places: string[] = [];
  for (const [at, name] of ['a', 'b'].entries()) {
    const node = new ModelNode({ name });
    for (const id of ['x', 'y'].slice(at)) {
      node.shard('g', 0).write(parseSource(makeVersion({ id, revision: 5n }).source));
    }
    node.build();
    const repair = await serveNode(node, encrypted.repair ? { tls } : {});
    const grpc = await serveNode(node, { repairAddress: repair.place, ...(encrypted.grpc && { tls }) });
    stopping.push(repair, grpc);
    places.push(grpc.place);
  }
  return places;
}

const common = ['--group', 'g', '--shards', '1', '--push-rate', '0', '--bring-old', '--json'];

test.each([
  ['both encrypted', { grpc: true, repair: true }, () => ['--tls-ca', ca]],
  ['gRPC only', { grpc: true, repair: false }, () => ['--tls-ca', ca, '--repair-plain']],
  ['only where they repair', { grpc: false, repair: true }, () => ['--repair-tls-ca', ca]],
  ['neither', { grpc: false, repair: false }, () => []],
] as const)('a round over nodes with %s', async (_, encrypted, options) => {
  const places = await serveTwo(encrypted);
  const { code, last } = await runCli(['round', ...places, ...common, ...options()]);
  expect(last).toMatchObject({ summary: { outcome: 'converged', changed: 1 } });
  expect(code).toBe(0);
});

test('a nodes file says which nodes are reached by TLS, and who signs them', async () => {
  const places = await serveTwo({ grpc: true, repair: true });
  const file = join(directory, 'nodes.yaml');
  const line = (place: string): string =>
    `  - name: ${place}\n    grpc_address: ${place}\n    tls_enabled: true\n    ca_cert_path: ${ca}\n`;
  writeFileSync(file, `nodes:\n${places.map(line).join('')}`);
  const { code } = await runCli(['round', '--nodes', file, ...common]);
  expect(code).toBe(0);
});

test('a node whose certificate nobody here trusts is named, and so is one that repairs unencrypted', async () => {
  const trusted = await serveTwo({ grpc: true, repair: false });
  for (const options of [[], ['--tls-ca', ca]]) {
    const { code, last } = await runCli([
      'audit',
      ...trusted,
      '--group',
      'g',
      '--shards',
      '1',
      '--json',
      ...options,
    ]);
    expect(code).toBe(3);
    // Which of them is heard of first is chance.
    expect(trusted.some((place) => JSON.stringify(last).includes(place))).toBe(true);
  }
});

test('the two switches exclude each other', async () => {
  const places = await serveTwo({ grpc: false, repair: false });
  const { last } = await runCli(['round', ...places, ...common, '--repair-plain', '--repair-tls-ca', ca]);
  expect(last).toMatchObject({ error: { code: 'bad-argument', field: 'repair-plain' } });
});
