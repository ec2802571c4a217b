/** The differences of replicas over HTTP: a stream of JSON lines, compared while it is read. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster, type Json, type Replica } from '../support/running-service.ts';
import { runCli } from '../support/run-cli.ts';

let cluster: Cluster;
let one: Replica;
let two: Replica;

beforeAll(async () => {
  cluster = await Cluster.create();
  await cluster.load('one', { a: 1, b: 2, c: 3 });
  await cluster.load('two', { a: 1, b: 5 });
  await runCli(['delete', '--root', cluster.root('two'), 'g/n/b']);
  two = await cluster.start('two');
  one = await cluster.start('one', { nodes: await cluster.nodes(two) });
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** Lines of an answer, the last one apart. */
async function differences(query = ''): Promise<{ lines: Json[]; last: Json }> {
  const response = await fetch(`http://${one.admin}/v1/differences${query}`);
  expect(response.headers.get('content-type')).toBe('application/x-ndjson');
  const lines = (await response.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { last: lines.pop(), lines };
}

test('who has what, who wins, as `diff --json` has it; nothing is built or changed', async () => {
  const before = (await one.get('/v1/runs')).body;
  const { lines, last } = await differences();
  expect(last).toEqual({
    summary: { outcome: 'differs', reason: null, differing: 2, more: false, stale: false, shardsCompared: 1 },
  });
  const b = lines.find(({ entity }) => entity === 'g/n/b');
  expect(b.copies).toMatchObject([
    { place: one.service.address, state: 'live', revision: '2', deleteTime: '0' },
    { place: two.service.address, state: 'deleted', revision: '5' },
  ]);
  expect(b.winner).toEqual({
    revision: '5',
    deleteTime: b.copies[1].deleteTime,
    digest: b.copies[1].digest,
  });
  const places = [one, two].map(({ service }) => service.address ?? '');
  const { lines: shown } = await runCli(['diff', ...places, '--json']);
  expect(lines).toEqual(shown.slice(0, -1));
  expect((await one.get('/v1/runs')).body).toEqual(before);
});

test('narrowed to a shard, some peers, a number of entities', async () => {
  const { lines, last } = await differences('?group=g&shard=0&peers=two&limit=1');
  expect(lines).toHaveLength(1);
  expect(last.summary).toMatchObject({ outcome: 'differs', differing: 1, more: true });
  expect((await differences('?group=g&limit=2')).last.summary).toMatchObject({ differing: 2, more: false });
});

test.each([
  ['?shard=0', 400, 'bad-argument'],
  ['?group=absent', 404, 'not-found'],
  ['?group=g&shard=9', 404, 'not-found'],
  ['?peers=nobody', 404, 'not-found'],
  ['?limit=0', 400, 'bad-argument'],
])('%s is a problem, not a stream', async (query, status, code) => {
  expect(await one.get(`/v1/differences${query}`)).toMatchObject({ status, body: { code } });
  // Whatever went wrong takes up none of the places for comparisons.
  expect((await differences()).last.summary).toMatchObject({ outcome: 'differs' });
});

test('comparisons at a time are bounded, and who goes away makes room', async () => {
  const held = [new AbortController(), new AbortController()];
  const many = Object.fromEntries(Array.from({ length: 4_000 }, (_, id) => [`m${id}`, 1]));
  await cluster.load('one', many, 'a-long-name'.repeat(40));
  await one.run('/v1/builds', {});
  const open = ({ signal }: AbortController) =>
    fetch(`http://${one.admin}/v1/differences?limit=100000`, { signal });
  const readers = await Promise.all(held.map((reader) => open(reader)));
  expect(readers.map(({ status }) => status)).toEqual([200, 200]);
  expect(await one.get('/v1/differences')).toMatchObject({ status: 503, body: { code: 'busy' } });
  for (const reader of held) reader.abort();
  await expect.poll(async () => (await open(new AbortController())).status).toBe(200);
});

test('a peer that is away makes it inconclusive, by name', async () => {
  await two.service[Symbol.asyncDispose]();
  const { last } = await differences();
  expect(last.summary).toMatchObject({
    outcome: 'inconclusive',
    reason: expect.stringContaining(two.service.address ?? '?'),
  });
});
