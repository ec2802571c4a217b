/** One run paused and resumed over HTTP and by verbs, with a peer that takes calls and never answers. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from '../support/run-cli.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

/** As long as an order may take to be heeded. */
const heededMs = 1_000;

const sockets = new Set<Socket>();
const silent = createServer((socket) => sockets.add(socket));
let cluster: Cluster;
let one: Replica;
let two: Replica;

beforeAll(async () => {
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  cluster = await Cluster.create();
  await cluster.load('one', { a: 1, b: 1 });
  await cluster.load('two', { a: 1 });
  two = await cluster.start('two');
  const nodes = join(cluster.directory, 'nodes.yaml');
  const silentAddress = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  writeFileSync(
    nodes,
    `nodes:
  - { name: two, grpc_address: "${two.service.address}" }
  - { name: silent, grpc_address: "${silentAddress}" }
`,
  );
  one = await cluster.start('one', { nodes });
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  for (const socket of sockets) socket.destroy();
  silent.close();
});

/** A repair that waits for the peer that never answers. */
async function hanging(): Promise<string> {
  const { body } = await one.post('/v1/repairs', { peers: ['silent'] });
  await one.firstRun(
    `/v1/runs/${body.id}/events`,
    ({ state, progress }) => state === 'running' && !!progress,
  );
  return body.id;
}

async function timed<T>(work: () => Promise<T>): Promise<T> {
  const startMs = performance.now();
  const result = await work();
  expect(performance.now() - startMs).toBeLessThan(heededMs);
  return result;
}

test('a paused run lets others pass, says why it waits, begins again, and is cancelled at once', async () => {
  const id = await hanging();
  expect((await timed(() => one.post(`/v1/runs/${id}/pause`))).body).toMatchObject({
    state: 'paused',
    waitReason: 'paused',
    outcome: null,
  });
  expect((await one.get('/v1/status')).body).toMatchObject({ runsPaused: 1, runsRunning: 0, paused: false });
  expect((await one.get('/v1/runs?state=paused')).body.runs).toMatchObject([{ id }]);
  // The copies of the other run are not held by the paused one.
  expect(await one.run('/v1/repairs', { peers: ['two'] })).toMatchObject({
    outcome: 'converged',
    counts: { changed: 1 },
  });
  const again = one.firstRun(`/v1/runs/${id}/events`, ({ state }) => state === 'running');
  await one.post(`/v1/runs/${id}/resume`);
  await again;
  await timed(() => one.post(`/v1/runs/${id}/pause`));
  expect((await timed(() => one.post(`/v1/runs/${id}/cancel`))).body).toMatchObject({
    state: 'ended',
    outcome: 'cancelled',
  });
  const ended = (await one.get(`/v1/runs/${id}`)).body;
  for (const verb of ['pause', 'resume'])
    expect((await one.post(`/v1/runs/${id}/${verb}`)).body).toEqual(ended);
});

test('the verbs pause and resume a run, and a running one is cancelled within a second', async () => {
  const id = await hanging();
  const cli = (...argv: string[]) => runCli([...argv, '--json', '--admin', one.admin]);
  expect((await cli('pause', id)).lines).toMatchObject([{ id, state: 'paused' }]);
  expect((await runCli(['runs', id, '--admin', one.admin])).stdout).toMatch(/paused, 0 differing/);
  expect((await cli('resume', id)).lines).toMatchObject([{ id }]);
  await one.firstRun(`/v1/runs/${id}/events`, ({ state }) => state === 'running');
  await timed(async () => {
    await cli('cancel', id);
    await one.ended(id);
  });
  expect((await cli('pause', 'none')).last.error).toMatchObject({ code: 'not-found' });
});
