/** The life of a service as a process: signals, kills in the middle of work, and what the next start makes of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster } from '../support/running-service.ts';
import { ServeChild } from '../support/serve-child.ts';

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.create();
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** A service beside a property node must be small; most of it is the runtime, whatever is on disk. */
const residentBytesMax = 200 * 1024 * 1024;

const variables = { TALLYSTICK_ROUND_MODE: 'off', TALLYSTICK_LOG_LEVEL: 'info' };

function serve(name: string, nodes: string | null = null): Promise<ServeChild> {
  const more = nodes === null ? [] : ['--nodes', nodes];
  const argv = [
    '--root',
    cluster.root(name),
    '--name',
    name,
    '--listen',
    '127.0.0.1:0',
    '--admin',
    '127.0.0.1:0',
    ...more,
  ];
  return ServeChild.start(argv, variables);
}

/** Properties enough that a repair takes a while. */
const many = (count: number, revision: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, id) => [`id-${id}`, revision]));

test('SIGTERM ends it with 0 and well within ten seconds; it is small while it idles', async () => {
  await cluster.load('one', { a: 1 });
  await using child = await serve('one');
  expect(await child.get('/readyz')).toEqual({ status: 'ready' });
  if (process.platform === 'linux') expect(await child.resident()).toBeLessThan(residentBytesMax);
  const startMs = performance.now();
  child.signal('SIGTERM');
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(performance.now() - startMs).toBeLessThan(10_000);
});

test('SIGTERM in the middle of a repair cuts it after a batch; the next start continues it', async () => {
  await cluster.load('one', many(6_000, 1));
  await cluster.load('two', { a: 1 });
  const two = await cluster.start('two');
  const nodes = await cluster.nodes(two);
  await using child = await serve('one', nodes);
  const { id } = await child.post('/v1/repairs');
  await until(child, id, ({ counts }) => counts.changed > 0);
  child.signal('SIGTERM');
  expect(await child.ended).toEqual({ code: 0, signal: null });
  await using again = await serve('one', nodes);
  expect(await again.get(`/v1/runs/${id}`)).toMatchObject({
    state: 'ended',
    outcome: 'cancelled',
    error: { code: 'cancelled' },
  });
  const next = await again.post('/v1/repairs');
  expect(await until(again, next.id, ({ state }) => state === 'ended')).toMatchObject({
    outcome: 'converged',
  });
  await two.run('/v1/builds', {});
  expect((await two.get('/v1/shards/g/0')).body.leaves).toBe(6_001);
});

test('after kill -9 in the middle of a repair the run is told as failed, and the next one finishes the work', async () => {
  await cluster.load('one', many(6_000, 1));
  await cluster.load('two', { a: 1 });
  const two = await cluster.start('two');
  const nodes = await cluster.nodes(two);
  await using child = await serve('one', nodes);
  const { id } = await child.post('/v1/repairs');
  await until(child, id, ({ counts }) => counts.changed > 0);
  child.signal('SIGKILL');
  expect((await child.ended).signal).toBe('SIGKILL');
  await using again = await serve('one', nodes);
  expect(await again.get(`/v1/runs/${id}`)).toMatchObject({
    state: 'ended',
    outcome: 'failed',
    error: { code: 'cancelled' },
  });
  const next = await again.post('/v1/repairs');
  const run = await until(again, next.id, ({ state }) => state === 'ended');
  expect(run).toMatchObject({ outcome: 'converged', counts: { failed: 0 } });
  expect(run.counts.changed).toBeLessThan(6_001);
});

test('SIGHUP reads the settings again, and wrong ones leave the old in force', async () => {
  await cluster.load('one', { a: 1 });
  const file = join(cluster.directory, 'settings.yaml');
  writeFileSync(file, 'round: { mode: "off", deadline: 1h }\n');
  const argv = [
    '--config',
    file,
    '--root',
    cluster.root('one'),
    '--listen',
    '127.0.0.1:0',
    '--admin',
    '127.0.0.1:0',
  ];
  await using child = await ServeChild.start(argv);
  const reloads = async (outcome: string): Promise<boolean> => {
    const text = await (await fetch(`http://${child.ready.admin}/metrics`)).text();
    return text.includes(`tallystick_settings_reloads_total{outcome="${outcome}"} 1`);
  };
  writeFileSync(file, 'round: { mode: sometimes }\n');
  child.signal('SIGHUP');
  while (!(await reloads('failed')));
  expect((await child.get('/v1/shards/g/0')).roundWaits).toBe('off');
  writeFileSync(file, 'round: { mode: repair, cron: "@daily" }\n');
  child.signal('SIGHUP');
  while (!(await reloads('done')));
  expect((await child.get('/v1/shards/g/0')).roundWaits).toBe('not-due');
});

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of an answer by comparing it.
async function until(child: ServeChild, id: string, wanted: (run: any) => boolean): Promise<any> {
  for (;;) {
    const run = await child.get(`/v1/runs/${id}`);
    if (wanted(run)) return run;
    if (run.state === 'ended') throw new Error(`it ended first: ${JSON.stringify(run)}`);
  }
}
