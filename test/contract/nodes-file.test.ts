/** The nodes file of a running replica: while it cannot be read this is said, and nobody is left out for it. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster, type Replica } from '../support/running-service.ts';

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.create();
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

const warned = async (replica: Replica): Promise<boolean> =>
  (await replica.get('/v1/status')).body.warnings.some((text: string) => text.includes('nodes.yaml'));

const peersOf = async (replica: Replica): Promise<string[]> =>
  (await replica.get('/v1/peers')).body.peers.map(({ name }: { name: string }) => name);

test('no run says anything before the file was read once, and a bad one later leaves the peers', async () => {
  await cluster.load('one', { a: 1 });
  const two = await cluster.start('two');
  const path = join(cluster.directory, 'nodes.yaml');
  const one = await cluster.start('one', { nodes: path, peerInterval: '50ms' });
  expect(await one.run('/v1/repairs', {})).toMatchObject({ outcome: 'failed', error: { code: 'not-found' } });
  expect(await warned(one)).toBe(true);
  await cluster.nodes(two);
  await expect.poll(() => peersOf(one)).toEqual(['two']);
  expect(await warned(one)).toBe(false);
  expect(await one.run('/v1/repairs', {})).toMatchObject({ outcome: 'converged', counts: { changed: 1 } });
  for (const spoil of [() => writeFileSync(path, 'nodes: ['), () => rmSync(path)]) {
    spoil();
    await expect.poll(() => warned(one)).toBe(true);
    expect(await peersOf(one)).toEqual(['two']);
    expect(await one.run('/v1/repairs', {})).toMatchObject({ outcome: 'converged' });
  }
  // Once for each state of the file, however often it was looked at.
  const told = one.log.filter(({ message }) => message === 'the nodes file cannot be used');
  expect(told).toHaveLength(3);
});
