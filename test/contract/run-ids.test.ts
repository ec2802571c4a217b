/** All calls of one verb stand under one run in the logs of every peer, so that they can be followed from peer to peer. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli } from '../support/run-cli.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.create();
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** Runs of the calls that a replica has logged so far, each once. */
function runsOf({ log }: Replica): unknown[] {
  const fields = log.filter(({ message }) => message === 'a peer call ended').map((line) => line.fields);
  return [...new Set(fields.map((field) => (field as { run: unknown }).run))];
}

test('a verb has a run of its own, the same at every peer', async () => {
  await cluster.load('one', { a: 1 });
  await cluster.load('two', { b: 1 });
  const replicas = [await cluster.start('one'), await cluster.start('two')] as const;
  const places = replicas.map(({ service }) => service.address ?? '');
  expect((await runCli(['round', ...places])).code).toBe(0);
  const [run, ...others] = runsOf(replicas[0]);
  expect([run, others]).toEqual([expect.stringMatching(/^[\w-]{8,64}$/), []]);
  expect(runsOf(replicas[1])).toEqual([run]);
  expect((await runCli(['audit', ...places])).code).toBe(0);
  const both = runsOf(replicas[0]);
  expect(both).toHaveLength(2);
  expect(runsOf(replicas[1])).toEqual(both);
});
