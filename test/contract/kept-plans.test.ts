/** A plan looked at today and carried out later, over HTTP: kept by a dry run, while it is young and not one of many. */
import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { planKeptMs, plansKeptMax } from '../../src/service/kept-plans.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

let cluster: Cluster;
let one: Replica;
let two: Replica;

beforeEach(async () => {
  cluster = await Cluster.create();
  await cluster.load('one', { a: 1, b: 2, c: 3 });
  await cluster.load('two', { a: 1 });
  two = await cluster.start('two');
  one = await cluster.start('one', { nodes: await cluster.nodes(two) });
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

test('what was planned is done, and nothing else', async () => {
  const planned = await one.run('/v1/repairs', { group: 'g', dryRun: true, keepPlan: true });
  expect(planned).toMatchObject({ outcome: 'differs', changes: 2, counts: { differing: 2 } });
  expect(Date.parse(planned.planUntil ?? '') - Date.now()).toBeGreaterThan(planKeptMs - 60_000);
  await cluster.load('one', { later: 4 });
  await cluster.load('two', { c: 9 });
  const run = await one.run('/v1/repairs', { plan: planned.id });
  expect(run).toMatchObject({ plan: planned.id, group: 'g', dryRun: false, planUntil: null });
  // One entry holds no longer, since a greater version was written: it is left as it is, and that is said.
  expect(run).toMatchObject({ outcome: 'inconclusive', counts: { differing: 2, changed: 1, kept: 1 } });
  expect((await two.get('/v1/properties/g/n/b')).status).toBe(200);
  expect((await two.get('/v1/properties/g/n/c')).body.revision).toBe('9');
  expect((await two.get('/v1/properties/g/n/later')).status).toBe(404);
  // No comparison, so no visit.
  expect((await one.get('/v1/shards/g/0')).body.lastRound).toBeNull();
  expect(await one.run('/v1/repairs', { plan: planned.id })).toMatchObject({ counts: { changed: 0 } });
});

test('the plan of one entity holds only that', async () => {
  const planned = await one.run('/v1/repairs', { entity: 'g/n/b', dryRun: true, keepPlan: true });
  expect(planned).toMatchObject({ outcome: 'differs', counts: { differing: 1 }, changes: 1 });
  expect(await one.run('/v1/repairs', { plan: planned.id })).toMatchObject({
    outcome: 'converged',
    entity: 'g/n/b',
    counts: { changed: 1 },
  });
  expect((await two.get('/v1/properties/g/n/c')).status).toBe(404);
});

test('the fuse is asked again when a plan is carried out', async () => {
  const many = (revision: number) =>
    Object.fromEntries(Array.from({ length: 150 }, (_, id) => [`m${id}`, revision]));
  await cluster.load('one', many(2));
  await cluster.load('two', many(1));
  const { id } = await one.run('/v1/repairs', { dryRun: true, keepPlan: true });
  expect(await one.run('/v1/repairs', { plan: id })).toMatchObject({
    outcome: 'failed',
    error: { code: 'fuse', count: 150 },
    counts: { changed: 0 },
  });
  expect(await one.run('/v1/repairs', { plan: id, confirm: 150 })).toMatchObject({ outcome: 'converged' });
});

test('plans are few and short of life', async () => {
  const ids: string[] = [];
  for (let count = 0; count < plansKeptMax + 2; count += 1)
    ids.push((await one.run('/v1/repairs', { dryRun: true, keepPlan: true })).id);
  const kept = readdirSync(join(cluster.root('one'), 'plans'));
  expect(kept.sort()).toEqual(ids.slice(2).map((id) => `${id}.plan`));
  const gone = { status: 404, body: { code: 'not-found' } };
  expect(await one.post('/v1/repairs', { plan: ids[0] })).toMatchObject(gone);
  const aged = Date.now() / 1_000 - planKeptMs / 1_000 - 1;
  utimesSync(join(cluster.root('one'), 'plans', `${ids[2]}.plan`), aged, aged);
  expect(await one.post('/v1/repairs', { plan: ids[2] })).toMatchObject(gone);
});

test('what does not fit together is told', async () => {
  const bad = { status: 400, body: { code: 'bad-argument' } };
  const { id } = await one.run('/v1/repairs', { dryRun: true, keepPlan: true });
  for (const order of [
    { keepPlan: true },
    { plan: id, group: 'g' },
    { plan: id, dryRun: true },
    { plan: id, peers: ['two'] },
    { plan: '../../history' },
  ])
    expect(await one.post('/v1/repairs', order)).toMatchObject(bad);
  expect(await one.post('/v1/repairs', { plan: '00' })).toMatchObject({ status: 404 });
  const plain = await one.run('/v1/repairs', { dryRun: true });
  expect(plain.planUntil).toBeNull();
  // No BanyanDB node takes part.
  expect(plain.pushRate).toBeNull();
  expect(await one.post('/v1/repairs', { plan: plain.id })).toMatchObject({ status: 404 });
});
