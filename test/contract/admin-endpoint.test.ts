/** The admin endpoint as scripts rely on it: over HTTP, of a running service with a data root and a peer. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorCodes } from '../../src/lib/coded-error.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

let cluster: Cluster;
let one: Replica;
let two: Replica;

beforeAll(async () => {
  cluster = await Cluster.create();
  await cluster.load('one', { a: 5, b: 5, c: 5, 'with/slash': 5 });
  await cluster.load('two', { a: 5, b: 5, d: 7 });
  two = await cluster.start('two');
  one = await cluster.start('one', { nodes: await cluster.nodes(two) });
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

describe('probes and descriptions', () => {
  test('live and ready', async () => {
    expect(await one.get('/livez')).toMatchObject({ status: 200, body: { status: 'live' } });
    expect(await one.get('/readyz')).toMatchObject({ status: 200, body: { status: 'ready' } });
  });

  test('the catalogue explains every code', async () => {
    const { body } = await one.get('/problems');
    expect(body.map(({ code }: { code: string }) => code)).toEqual(Object.keys(errorCodes));
    expect((await one.get('/problems/fuse')).body).toMatchObject({ code: 'fuse', status: 409 });
  });

  test('at least 30 metrics of our own have a value', async () => {
    await one.run('/v1/repairs', { dryRun: true });
    const { body } = await one.get('/metrics');
    const own = [
      ...(body as string).matchAll(
        /^tallystick_(?!process_|nodejs_)(\w+?)(?:_bucket|_sum|_count)?(?:\{.*\})? \S+$/gm,
      ),
    ];
    expect(new Set(own.map(([, name]) => name)).size).toBeGreaterThanOrEqual(30);
    expect(body).toMatch(/^tallystick_shard_since_converged_round_seconds\{group="g",shard="0"\} \d/m);
    expect(body).toMatch(/^tallystick_runs_total\{kind="repair",trigger="operator",outcome="differs"\} 1$/m);
  });
});

describe('looks', () => {
  test('groups, shards, peers, status', async () => {
    expect((await one.get('/v1/groups')).body).toEqual({
      groups: [{ group: 'g', shards: 1, slots: 32, spelling: 'compact' }],
    });
    const { body } = await one.get('/v1/shards/g/0');
    expect(body).toMatchObject({
      group: 'g',
      shard: 0,
      leaves: 4,
      live: 4,
      tree: { generation: 1, leaves: 4, stale: false },
      generations: [1],
    });
    expect(body).toMatchObject({ buildWaits: 'unchanged', roundWaits: 'off', nextRoundAt: null });
    expect((await one.get('/v1/shards')).body.shards).toHaveLength(1);
    expect((await one.get('/v1/peers')).body.peers).toMatchObject([
      { name: 'two', place: two.service.address, reachable: true, shards: 1 },
    ]);
    expect((await one.get('/v1/status')).body).toMatchObject({ name: 'one', ready: true, paused: false });
  });

  test('properties: one, by query, by words', async () => {
    expect((await one.get('/v1/properties/g/n/with/slash')).body).toMatchObject({
      revision: '5',
      deleteTime: '0',
      property: { id: 'with/slash' },
    });
    expect(await one.get('/v1/properties/g/n/zzz')).toMatchObject({
      status: 404,
      body: { code: 'not-found' },
    });
    expect((await one.get('/v1/properties?group=g&name=n&ids=a&ids=c')).body.properties).toHaveLength(2);
    expect((await one.get('/v1/properties?group=g&limit=1&offset=1')).body.properties).toMatchObject([
      { property: { id: 'b' } },
    ]);
    expect((await one.get('/v1/search?text=slash')).body).toMatchObject({
      more: false,
      properties: [{ property: { id: 'with/slash' } }],
    });
  });
});

describe('errors are problem documents', () => {
  test.each([
    ['/v1/shards/g/9', 404, 'not-found'],
    ['/v1/shards/absent/0', 404, 'not-found'],
    ['/v1/shards/g/-1', 400, 'bad-argument'],
    ['/v1/shards/g/', 400, 'bad-argument'],
    ['/v1/shards/g/0x0', 400, 'bad-argument'],
    ['/v1/runs?shard=', 400, 'bad-argument'],
    ['/v1/runs?limit=1e1', 400, 'bad-argument'],
    ['/v1/runs?limits=1', 400, 'bad-argument'],
    ['/v1/differences?groups=g', 400, 'bad-argument'],
    ['/v1/status?full=true', 400, 'bad-argument'],
    ['/v1/runs/none', 404, 'not-found'],
    ['/v1/runs?limit=0', 400, 'bad-argument'],
    ['/v1/nothing', 404, 'not-found'],
    ['/v1/search', 400, 'bad-argument'],
    ['/v1/runs/none/events', 404, 'not-found'],
  ])('GET %s', async (path, status, code) => {
    const { headers, ...answer } = await one.get(path);
    expect(answer).toMatchObject({ status, body: { status, code, type: `/problems/${code}` } });
    expect(headers.get('content-type')).toBe('application/problem+json');
  });

  test.each([
    [{ shard: 1 }, 400, 'bad-argument'],
    [{ group: 'absent' }, 404, 'not-found'],
    [{ entity: 'x' }, 400, 'bad-argument'],
    [{ group: 'other', entity: 'g/n/a' }, 400, 'bad-argument'],
    [{ grup: 'g' }, 400, 'bad-argument'],
    [{ confirm: -1 }, 400, 'bad-argument'],
  ])('POST /v1/repairs %j', async (order, status, code) => {
    expect(await one.post('/v1/repairs', order)).toMatchObject({ status, body: { code } });
  });

  test('an order takes no query: what is in one would not be heeded', async () => {
    const { runs } = (await one.get('/v1/runs')).body;
    expect(await one.post('/v1/repairs?dryRun=true', {})).toMatchObject({
      status: 400,
      body: { code: 'bad-argument', detail: expect.stringMatching(/^the query is wrong: .*dryRun/) },
    });
    expect((await one.get('/v1/runs')).body.runs).toEqual(runs);
  });

  test('every fault of an order is named', async () => {
    const { body } = await one.post('/v1/repairs', { shard: -1, dryRun: 'yes', more: 1 });
    expect(body.problems.map(({ field }: { field: string }) => field)).toEqual(
      expect.arrayContaining(['shard', 'dryRun']),
    );
  });

  test('what is no JSON, and what is too much of it', async () => {
    const send = (body: string) =>
      fetch(`http://${one.admin}/v1/builds`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    expect(await (await send('{')).json()).toMatchObject({ status: 400, code: 'bad-argument' });
    expect(await (await send(`"${'x'.repeat(70_000)}"`)).json()).toMatchObject({
      status: 413,
      code: 'too-large',
    });
  });

  test('what a web page makes a browser send is refused', async () => {
    expect(await one.post('/v1/pause', null, { origin: 'http://evil.example' })).toMatchObject({
      status: 403,
      body: { code: 'refused' },
    });
    expect((await one.get('/v1/status')).body.paused).toBe(false);
  });
});

describe('orders', () => {
  test('a build is a run', async () => {
    const { status, body, headers } = await one.post('/v1/builds', { group: 'g', force: true });
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/v1/runs/${body.id}`);
    expect(await one.ended(body.id)).toMatchObject({
      kind: 'build',
      outcome: 'built',
      shards: [{ group: 'g', shard: 0, outcome: 'built' }],
    });
    expect(await one.run('/v1/builds', { group: 'g' })).toMatchObject({
      outcome: 'skipped',
      reason: 'unchanged',
    });
  });

  test('a dry run says what differs, page by page, and changes nothing', async () => {
    const run = await one.run('/v1/repairs', { group: 'g', dryRun: true });
    expect(run).toMatchObject({
      outcome: 'differs',
      counts: { differing: 3, changed: 0 },
      changes: 3,
      dryRun: true,
      trigger: 'operator',
    });
    const first = await one.get(`/v1/runs/${run.id}/changes?limit=2`);
    const second = await one.get(`/v1/runs/${run.id}/changes?limit=2&after=${first.body.next}`);
    const changes = [...first.body.changes, ...second.body.changes];
    expect(second.body.next).toBeNull();
    expect(changes.map(({ entity }) => entity).sort()).toEqual(['g/n/c', 'g/n/d', 'g/n/with/slash']);
    expect(changes.every(({ result, before }) => result === 'planned' && before === null)).toBe(true);
    expect((await two.get('/v1/properties/g/n/c')).status).toBe(404);
  });

  test('one entity, then one name, then everything', async () => {
    expect(await one.run('/v1/repairs', { entity: 'g/n/c' })).toMatchObject({
      outcome: 'converged',
      counts: { differing: 1, changed: 1 },
    });
    expect((await two.get('/v1/properties/g/n/c')).status).toBe(200);
    expect((await one.get('/v1/properties/g/n/d')).status).toBe(404);
    expect(await one.run('/v1/repairs', { group: 'g', name: 'other' })).toMatchObject({
      outcome: 'converged',
      counts: { differing: 0 },
    });
    expect(await one.run('/v1/repairs', { group: 'g', name: 'n', dryRun: true })).toMatchObject({
      outcome: 'differs',
      counts: { differing: 2 },
    });
    const whole = await one.run('/v1/repairs', { peers: ['two'] });
    expect(whole).toMatchObject({ outcome: 'converged', counts: { differing: 2, changed: 2, failed: 0 } });
    expect((await one.get('/v1/properties/g/n/d')).body.revision).toBe('7');
    expect(await one.run('/v1/repairs', {})).toMatchObject({
      outcome: 'converged',
      counts: { differing: 0 },
      shards: [{ outcome: 'matched' }],
    });
    expect((await one.get('/v1/shards/g/0')).body).toMatchObject({
      lastRound: { outcome: 'converged' },
      lastConvergedAt: expect.any(String),
    });
  });

  test('an unknown peer fails the run by name', async () => {
    expect(await one.run('/v1/repairs', { peers: ['nobody'] })).toMatchObject({
      outcome: 'failed',
      error: { code: 'not-found', value: 'nobody' },
    });
  });

  test('an idempotency key gives the same run; another order under it is refused', async () => {
    const headers = { 'Idempotency-Key': 'k1' };
    const { body } = await one.post('/v1/repairs', { group: 'g' }, headers);
    expect((await one.post('/v1/repairs', { group: 'g' }, headers)).body.id).toBe(body.id);
    expect(await one.post('/v1/builds', { group: 'g' }, headers)).toMatchObject({
      status: 409,
      body: { code: 'key-used', value: 'k1' },
    });
    await one.ended(body.id);
    expect((await one.post('/v1/repairs', { group: 'g' }, headers)).body).toMatchObject({
      id: body.id,
      state: 'ended',
    });
  });

  test('runs are listed newest first, filtered and paged', async () => {
    const { body } = await one.get('/v1/runs?kind=repair&limit=2');
    expect(body.runs).toHaveLength(2);
    expect(body.runs[0].id > body.runs[1].id).toBe(true);
    const next = await one.get(`/v1/runs?kind=repair&limit=1000&before=${body.next}`);
    expect(
      next.body.runs.every(
        ({ id, kind }: { id: string; kind: string }) => kind === 'repair' && id < body.next,
      ),
    ).toBe(true);
    expect(next.body.next).toBeNull();
    expect((await one.get('/v1/runs?state=running')).body.runs).toEqual([]);
  });

  test('cancelling what has ended leaves it as it is', async () => {
    const run = await one.run('/v1/builds', {});
    expect((await one.post(`/v1/runs/${run.id}/cancel`)).body).toMatchObject({
      id: run.id,
      outcome: 'skipped',
    });
  });

  test('pause and resume', async () => {
    expect((await one.post('/v1/pause')).body).toEqual({ paused: true });
    expect((await one.get('/v1/shards/g/0')).body.roundWaits).toBe('off');
    expect((await one.get('/v1/status')).body.paused).toBe(true);
    expect((await one.post('/v1/resume')).body).toEqual({ paused: false });
  });
});
