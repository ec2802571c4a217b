/** What scripts may rely on where places are HOST:PORT: fields, codes and the fuse, as with directories. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster } from '../support/running-service.ts';
import { runCli } from '../support/run-cli.ts';

let cluster: Cluster;
let places: string[];

beforeEach(async () => {
  cluster = await Cluster.create();
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

const revisions = (count: number, revision: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`e${at}`, revision]));

async function start(...names: string[]): Promise<void> {
  places = [];
  for (const name of names) places.push((await cluster.start(name)).service.address ?? '');
}

const verb = async (name: string, ...more: string[]) => await runCli([name, ...places, ...more, '--json']);

test('trees that are equal and equally old match, and every place says that it was written to since', async () => {
  await cluster.load('one', revisions(3, 1));
  await cluster.load('two', revisions(3, 1));
  await start('one', 'two');
  await cluster.load('one', { e0: 2 });
  await cluster.load('two', { e1: 2 });
  for (const name of ['diff', 'audit']) {
    const { code, last } = await verb(name);
    expect({ code, ...last.summary }).toMatchObject({ code: 0, outcome: 'matched', stale: true });
  }
  expect((await verb('audit')).lines[0]).toMatchObject({
    peers: ['one', 'two'].map((name) => ({ name, kind: 'tallystick', stale: true, error: null })),
  });
  expect((await runCli(['audit', ...places])).stdout).toContain(', written to since');
  // A round builds first, so it sees what was written.
  expect(await verb('round')).toMatchObject({
    code: 0,
    last: { summary: { outcome: 'converged', changed: 2, stale: false } },
  });
  expect((await verb('audit')).lines[0]).toMatchObject({ peers: [{ stale: false }, { stale: false }] });
});

test.each(['diff', 'repair', 'audit', 'round'])('%s refuses a replica that is named twice', async (name) => {
  await cluster.load('one', { a: 1 });
  await cluster.load('two', { a: 2 });
  await start('one', 'two');
  const [one = ''] = places;
  for (const again of [one.replace('127.0.0.1', 'localhost'), cluster.root('one')]) {
    const { code, lines } = await runCli([name, ...places, again, '--json']);
    expect(code).toBe(2);
    expect(lines).toHaveLength(1);
    expect(lines[0].error).toMatchObject({ code: 'bad-argument', field: 'places', value: again });
    expect(lines[0].error.message).toBe(`a place is named twice: ${one} and ${again} are one replica`);
  }
  // A copy of its folder is another replica.
  const copy = join(cluster.directory, 'copy');
  cpSync(cluster.root('one'), copy, { recursive: true });
  expect((await runCli([name, one, copy, '--json'])).code).toBe(0);
});

test('a round stops at the fuse with the number that passes it', async () => {
  await cluster.load('one', revisions(120, 1));
  await cluster.load('two', revisions(90, 2));
  await start('one', 'two');
  const stopped = await verb('round');
  expect(stopped).toMatchObject({
    code: 2,
    last: { error: { code: 'fuse', count: 90, places: [places[0]] } },
  });
  expect(stopped.lines).toHaveLength(1);
  expect(await verb('round', '--confirm', '89')).toMatchObject({ code: 2, last: { error: { count: 90 } } });
  expect(await verb('round', '--dry-run')).toMatchObject({ code: 1, last: { summary: { changed: 0 } } });
  expect(await verb('round', '--confirm', '90')).toMatchObject({
    code: 0,
    last: { summary: { differing: 120, changed: 120 } },
  });
});

test('the plan of a round is carried out where it still holds, and says at which copy it did not', async () => {
  await cluster.load('one', { a: 1, b: 1 });
  await cluster.load('two', { c: 1 });
  await start('one', 'two');
  const plan = join(cluster.directory, 'plan');
  expect(await verb('round', '--dry-run', '--plan', plan)).toMatchObject({
    code: 1,
    last: { summary: { outcome: 'differs', differing: 3, changed: 0 } },
  });
  await cluster.load('one', { c: 2 });
  const carried = await verb('round', '--plan', plan);
  expect(carried).toMatchObject({
    code: 3,
    last: { summary: { outcome: 'inconclusive', changed: 2, kept: 1 } },
  });
  expect(carried.last.summary.copies).toMatchObject([
    { place: places[0], outcome: 'inconclusive', changed: 0 },
    { place: places[1], outcome: 'converged', changed: 2, reason: null },
  ]);
  expect(await verb('round')).toMatchObject({
    code: 0,
    last: { summary: { outcome: 'converged', changed: 1 } },
  });
});
