/** A running cluster left to itself: a divergence appears, is noticed by the schedule, and is gone. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readSettings } from '../../src/settings/settings.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.create();
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** Builds and rounds at once, so that a test need not wait for them. */
const quick = {
  'build.quickDelay': '1ms',
  'build.pollInterval': '20ms',
  'round.mode': 'repair',
  'round.cron': '* * * * * *',
} as const;
const still = { 'round.jitter': '1ms', peerInterval: '50ms' } as const;

async function twoReplicas(flags: Readonly<Record<string, string>> = {}): Promise<[Replica, Replica]> {
  await cluster.load('one', { a: 1, b: 1 });
  await cluster.load('two', { a: 1, b: 1 });
  const two = await cluster.start('two');
  const one = await cluster.start('one', { ...quick, ...still, ...flags, nodes: await cluster.nodes(two) });
  return [one, two];
}

test('what another process writes here reaches the other replica', async () => {
  const [one, two] = await twoReplicas();
  const mended = one.firstRun('/v1/events', ({ outcome, counts }) => outcome !== null && counts.changed > 0);
  await cluster.load('one', { c: 2 });
  expect(await mended).toMatchObject({ trigger: 'cron', outcome: 'converged', group: 'g', shard: 0 });
  expect((await two.get('/v1/properties/g/n/c')).status).toBe(200);
});

test('copies that differ between rounds are visited long before the cron, for a reason that is told', async () => {
  const [one, two] = await twoReplicas({ 'round.cron': '@yearly', 'round.quickDelay': '100ms' });
  const mended = one.firstRun('/v1/events', ({ kind, outcome }) => kind === 'repair' && outcome !== null);
  await cluster.load('one', { c: 2 });
  expect(await mended).toMatchObject({ trigger: 'differs', outcome: 'converged', counts: { changed: 1 } });
  expect((await two.get('/v1/properties/g/n/c')).status).toBe(200);
});

test('after a round that changed something the copies are known to agree without waiting for the next look', async () => {
  await cluster.load('one', { a: 1 });
  await cluster.load('two', { b: 1 });
  const two = await cluster.start('two');
  const one = await cluster.start('one', { nodes: await cluster.nodes(two), peerInterval: '1h' });
  await expect.poll(async () => (await one.get('/v1/status')).body.shards[0].agreement.state).toBe('differs');
  await one.run('/v1/repairs', {});
  await expect.poll(async () => (await one.get('/v1/status')).body.shards[0].agreement.state).toBe('equal');
});

test('a write is followed by a quick build, and the tree then differs from the other one', async () => {
  const [one] = await twoReplicas({ 'round.mode': 'off' });
  const built = one.firstRun('/v1/events', ({ kind, state }) => kind === 'build' && state === 'ended');
  await cluster.load('one', { c: 2 });
  expect(await built).toMatchObject({ trigger: 'quick', outcome: 'built' });
  // The tree that was built is seen with the next look at the indexes, which a further build waits for.
  await one.run('/v1/builds', {});
  expect((await one.get('/v1/status')).body).toMatchObject({
    shards: [{ agreement: { state: 'differs' }, tree: { leaves: 3, stale: false } }],
    warnings: ['the trees of the replicas differ in 1 shard'],
  });
});

test('an audit says what differs and mends nothing', async () => {
  const [one, two] = await twoReplicas({ 'round.mode': 'audit' });
  const found = one.firstRun('/v1/events', ({ outcome }) => outcome === 'differs');
  await cluster.load('two', { d: 3 });
  expect(await found).toMatchObject({ dryRun: true, trigger: 'cron', counts: { differing: 1, changed: 0 } });
  expect((await one.get('/v1/properties/g/n/d')).status).toBe(404);
  expect((await two.get('/v1/properties/g/n/d')).status).toBe(200);
});

test('a round without one of the replicas is inconclusive by name, and the peer is told to be away', async () => {
  const [one, two] = await twoReplicas();
  await one.firstRun('/v1/events', ({ outcome }) => outcome === 'converged');
  const before = (await one.get('/v1/shards/g/0')).body.lastConvergedAt;
  await two.service[Symbol.asyncDispose]();
  const run = await one.firstRun('/v1/events', ({ outcome }) => outcome === 'inconclusive');
  expect(run.reason).toContain(two.service.address);
  const { body } = await one.get('/v1/shards/g/0');
  expect(body.lastRound.outcome).toBe('inconclusive');
  expect(Date.parse(body.lastConvergedAt)).toBeGreaterThanOrEqual(Date.parse(before));
  expect(Date.parse(body.lastConvergedAt)).toBeLessThan(Date.parse(body.lastRound.at));
});

test('a mass change trips the fuse, by name and number, and is carried out once confirmed', async () => {
  const many = (revision: number) =>
    Object.fromEntries(Array.from({ length: 150 }, (_, id) => [`id-${id}`, revision]));
  await cluster.load('one', many(1));
  await cluster.load('two', many(2));
  const two = await cluster.start('two');
  const one = await cluster.start('one', { nodes: await cluster.nodes(two) });
  const run = await one.run('/v1/repairs', {});
  expect(run).toMatchObject({
    outcome: 'failed',
    error: { code: 'fuse', count: 150 },
    counts: { changed: 0 },
  });
  expect(await one.run('/v1/repairs', { confirm: 150 })).toMatchObject({
    outcome: 'converged',
    counts: { changed: 150 },
  });
});

test('a paused schedule starts nothing, also after a restart, and visits are remembered', async () => {
  const [one, two] = await twoReplicas();
  await one.firstRun('/v1/events', ({ outcome }) => outcome === 'converged');
  await one.post('/v1/pause');
  await one.service[Symbol.asyncDispose]();
  const again = await cluster.start('one', { ...quick, ...still, nodes: await cluster.nodes(two) });
  const { body } = await again.get('/v1/status');
  expect(body).toMatchObject({
    paused: true,
    shards: [{ roundWaits: 'paused', lastRound: { outcome: 'converged' } }],
  });
  const next = again.firstRun('/v1/events', ({ kind, outcome }) => kind === 'repair' && outcome !== null);
  await again.post('/v1/resume');
  expect(await next).toMatchObject({ outcome: 'converged' });
});

test('a reload puts the round cron in force and tells what takes a restart', async () => {
  const [one] = await twoReplicas({ 'round.mode': 'off' });
  const flags = { ...quick, ...still, name: 'one', root: cluster.root('one'), listen: '127.0.0.1:1' };
  const next = one.firstRun('/v1/events', ({ kind }) => kind === 'repair');
  await one.service.reload(
    await readSettings({
      file: null,
      environment: {},
      flags: { ...flags, nodes: `${cluster.directory}/nodes.yaml` },
    }),
  );
  expect(await next).toMatchObject({ trigger: 'cron' });
  const told = one.log.find(({ message }) => message.includes('take a restart'));
  expect(told?.fields).toEqual({ options: ['listen', 'admin.listen'] });
});
