/**
 * A build killed at every crash point there is: the newest tree is then the old or the new one, whole, and the
 * next build gives the right root and leaves no leftovers.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StoredVersion } from '../../src/property/version.ts';
import { treeDirectory } from '../../src/property-index/data-root.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { TreeDirectory, treeFileName } from '../../src/tree/tree-directory.ts';
import type { BuildChildInput } from '../support/build-child.ts';
import { naiveRootOf, naiveTree, readTree } from '../support/naive-tree.ts';
import { Child } from '../support/run-child.ts';
import { ShardFixture } from '../support/shard-fixture.ts';
import { makeVersion } from '../support/versions.ts';

/** Names of all crash points in src/tree, read from the sources so that a new one cannot be forgotten. */
async function crashPoints(): Promise<string[]> {
  const folder = join(import.meta.dirname, '../../src/tree');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.ts'));
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  const calls = texts.flatMap((text) => [...text.matchAll(/^(?!import).*\bcrashPoint\((.*)\)/gm)]);
  return calls.map(([, argument]) => {
    const name = /^'([a-z:-]+)'$/.exec(argument ?? '')?.[1];
    if (name === undefined) throw new Error(`a crash point without a plain name: ${argument}`);
    return name;
  });
}

const points = (await crashPoints()).flatMap((point): [string, number][] =>
  // There are three pages: the second is one in the midst.
  point === 'tree:page'
    ? [
        [point, 1],
        [point, 2],
      ]
    : [[point, 1]],
);

let fixture: ShardFixture;
let directory: TreeDirectory;
const versions = new Map<string, StoredVersion>();
let revision = 0n;

/** Changes some properties, and adds one. */
async function change(count: number): Promise<void> {
  revision += 1n;
  const changed = Array.from({ length: count }, (_, index) => makeVersion({ id: String(index), revision }));
  changed.push(makeVersion({ id: `new-${revision}`, revision, deleteTime: revision }));
  for (const version of changed) versions.set(version.key.toString('hex'), version);
  await fixture.apply(changed);
}

async function newestRoot(): Promise<string> {
  await using reader = await directory.openNewest();
  const { root, slots } = await readTree(reader!);
  expect(naiveRootOf(slots)).toBe(root);
  return root;
}

const wantedRoot = () => naiveTree([...versions.values()], 'g', fixture.settings.slots).root;

beforeAll(async () => {
  // So few slots that their leaves do not wait in memory: what a crash leaves holds leaves too.
  fixture = await ShardFixture.create({ slots: 2 });
  const { root, group, shard } = fixture.identity;
  directory = new TreeDirectory(treeDirectory(root, group, shard));
  await change(4_200);
  await buildTree({ identity: fixture.identity, settings: fixture.settings, clock: fixture.clock });
});
afterAll(() => fixture[Symbol.asyncDispose]());

describe('a build killed', () => {
  test('has crash points to be killed at', () => {
    expect(points.length).toBeGreaterThanOrEqual(7);
  });

  test.each(points)('at %s, time %i, loses nothing', async (point, occurrence) => {
    const before = wantedRoot();
    expect(await newestRoot()).toBe(before);
    await change(3);
    const { identity, settings, clock } = fixture;
    const child = new Child('build-child.ts', {
      identity,
      settings,
      point,
      occurrence,
    } satisfies BuildChildInput);
    expect(await child.ended()).toEqual({ code: null, signal: 'SIGKILL', stderr: '' });
    expect([before, wantedRoot()]).toContain(await newestRoot());
    const result = await buildTree({ identity, settings, clock });
    expect(result.root.toString('hex')).toBe(wantedRoot());
    expect(await newestRoot()).toBe(wantedRoot());
    expect((await readdir(directory.path)).toSorted()).toEqual([
      treeFileName(result.generation),
      'build.lock',
    ]);
  });
});
