/** The verbs over a running replica: what they print and how they end. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../support/run-cli.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

let cluster: Cluster;
let one: Replica;

beforeAll(async () => {
  cluster = await Cluster.create();
  for (const name of ['one', 'two']) await cluster.load(name, { a: 1 });
  const two = await cluster.start('two');
  one = await cluster.start('one', { nodes: await cluster.nodes(two) });
  for (let runs = 0; runs < 3; runs += 1) await one.run('/v1/builds', {});
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

describe('the verbs', () => {
  const cli = (...argv: string[]) => runCli([...argv, '--json', '--admin', one.admin]);

  test('status tells each shard, ends with a summary and a code', async () => {
    const { code, lines, last } = await cli('status');
    expect([0, 1, 3]).toContain(code);
    expect(lines[0]).toMatchObject({ group: 'g', shard: 0 });
    expect(last.summary).toMatchObject({ name: 'one', ready: true, shards: 1 });
    expect((await runCli(['status', '--admin', one.admin])).stdout).toContain('g/0');
  });

  test('runs, watch, cancel, peers, pause, resume', async () => {
    const { body } = await one.post('/v1/repairs', { dryRun: true });
    const watched = await cli('watch', body.id);
    expect(watched.last).toMatchObject({ id: body.id, state: 'ended', outcome: 'converged' });
    expect(watched.code).toBe(0);
    expect((await cli('runs', body.id, '--changes')).lines).toHaveLength(1);
    expect((await cli('runs', '--limit', '3')).last).toEqual({ summary: { runs: 3, more: true } });
    expect((await cli('cancel', body.id)).lines[0]).toMatchObject({ id: body.id });
    expect((await cli('peers')).last).toEqual({ summary: { peers: 1, away: 0 } });
    expect((await cli('pause')).last).toEqual({ summary: { paused: true } });
    expect((await cli('resume')).last).toEqual({ summary: { paused: false } });
  });

  test('an error is told as the endpoint tells it', async () => {
    const { code, last } = await cli('runs', 'none');
    expect(code).toBe(2);
    expect(last.error).toMatchObject({ code: 'not-found', value: 'none' });
    expect((await runCli(['status', '--admin', '127.0.0.1:9', '--json'])).last.error.code).toBe(
      'unreachable',
    );
  });
});
