/** Who may call the admin endpoint, and where it listens at all. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCli } from '../support/run-cli.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

const viewer = { authorization: 'Bearer viewer-token-0123456789' };
const operator = { authorization: 'Bearer operator-token-0123456789' };
const stranger = { authorization: 'Bearer another-token-0123456789' };

let cluster: Cluster;
let replica: Replica;

beforeAll(async () => {
  cluster = await Cluster.create();
  const tokenFile = join(cluster.directory, 'operator.token');
  writeFileSync(tokenFile, 'operator-token-0123456789\n');
  await cluster.load('one', { a: 1 });
  const tokens = ['admin:', '  tokens:', '    - { name: eve, role: viewer, token: viewer-token-0123456789 }'];
  replica = await cluster.start(
    'one',
    {},
    [...tokens, `    - { name: ops, role: operator, tokenFile: ${tokenFile} }`].join('\n'),
  );
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

describe('with tokens', () => {
  test('probes need none, everything else needs one', async () => {
    expect((await replica.get('/livez')).status).toBe(200);
    expect((await replica.get('/readyz')).status).toBe(200);
    for (const path of ['/metrics', '/openapi.json', '/v1/status', '/v1/nothing']) {
      const { status, headers, body } = await replica.get(path);
      expect([path, status, body.code]).toEqual([path, 401, 'refused']);
      expect(headers.get('www-authenticate')).toBe('Bearer');
      expect((await replica.get(path, stranger)).status).toBe(401);
    }
  });

  test('a viewer looks and gives no orders; an operator does both', async () => {
    expect((await replica.get('/v1/shards', viewer)).status).toBe(200);
    for (const path of ['/v1/pause', '/v1/resume', '/v1/builds', '/v1/repairs', '/v1/runs/x/cancel']) {
      expect(await replica.post(path, {}, viewer)).toMatchObject({ status: 403, body: { code: 'refused' } });
    }
    expect((await replica.post('/v1/builds', {}, operator)).status).toBe(202);
  });

  test('verbs show theirs', async () => {
    const file = join(cluster.directory, 'operator.token');
    expect((await runCli(['runs', '--json', '--admin', replica.admin, '--token-file', file])).code).toBe(0);
    expect((await runCli(['runs', '--json', '--admin', replica.admin])).last.error).toMatchObject({
      code: 'refused',
      status: 401,
    });
  });

  test('who ordered is in the log', async () => {
    await replica.post('/v1/pause', null, operator);
    await replica.post('/v1/resume', null, operator);
    const orders = replica.log.filter(({ message }) => message === 'an order was given');
    expect(orders.at(-1)?.fields).toMatchObject({ caller: 'ops', route: '/v1/resume', status: 200 });
    expect(JSON.stringify(replica.log)).not.toContain('operator-token');
  });
});

describe('where it listens', () => {
  test.each([
    ['two', { 'admin.listen': '0.0.0.0:0' }, /needs tokens/],
    ['six', { 'admin.listen': '0.0.0.0:0', 'admin.insecureListen': true }, /needs tokens/],
  ])('%s: %j is refused', async (name, flags, message) => {
    await expect(cluster.start(name, flags)).rejects.toMatchObject({
      code: 'bad-settings',
      message: expect.stringMatching(message),
    });
  });

  test('tokens in the clear only where that is wanted', async () => {
    const file = 'admin: { tokens: [{ name: a, role: viewer, token: viewer-token-0123456789 }] }';
    await expect(cluster.start('three', { 'admin.listen': '0.0.0.0:0' }, file)).rejects.toMatchObject({
      code: 'bad-settings',
    });
    const open = await cluster.start(
      'four',
      { 'admin.listen': '0.0.0.0:0', 'admin.insecureListen': true },
      file,
    );
    expect(
      (await fetch(`http://127.0.0.1:${open.admin.split(':')[1]}/v1/status`, { headers: viewer })).status,
    ).toBe(200);
  });

  test('a second service on one data root is refused', async () => {
    await expect(cluster.start('one')).rejects.toMatchObject({ code: 'busy' });
  });

  test('a short token in a file is refused', async () => {
    const path = join(cluster.directory, 'short.token');
    writeFileSync(path, 'short\n');
    const file = `admin: { tokens: [{ name: a, role: viewer, tokenFile: ${path} }] }`;
    await expect(cluster.start('five', {}, file)).rejects.toMatchObject({ code: 'bad-settings' });
  });
});
