/** Folders of BanyanDB tree files, as they are copied off nodes of release 0.9 and later. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { makeLineTreeFile, makeTreeFile, sha512Hex } from '../../support/banyandb-tree-bytes.ts';
import { goldenRoot } from '../../support/golden.ts';
import { type JsonLine, runCli, temporaryFolder } from '../../support/run-cli.ts';

/** Puts recorded trees of a node where a release keeps them, below the folder of the node's properties. */
function copied(node: string, release: '0.9' | '0.10', when: 'before' | 'after' = 'before'): string {
  const root = temporaryFolder();
  for (const shard of [0, 1]) {
    const path =
      release === '0.9'
        ? `property/repairs/shard${shard}/state-tree-seal3.data`
        : `property/repairs/seal3/shard${shard}/state-tree.data`;
    put(root, path, `${goldenRoot}/ring-of-three/${when}/${node}/shard-${shard}/state-tree.data`);
  }
  mkdirSync(join(root, 'property/data/seal3/shard-0'), { recursive: true });
  return root;
}

function put(root: string, path: string, from: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  copyFileSync(from, join(root, path));
}

function write(root: string, path: string, bytes: Buffer): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), bytes);
}

const entities = (lines: readonly JsonLine[]): unknown[] =>
  lines.flatMap((line) => ('entity' in line ? [line['entity']] : [])).sort();

const tree = (group: string): { slot: number; leaves: { entity: string; digest: string }[] }[] => [
  { slot: 0, leaves: [{ entity: `${group}/n/1`, digest: sha512Hex(group) }] },
];

test('folders of either layout are compared shard by shard, whatever was copied of the node', async () => {
  const [old, recent] = [copied('node-1', '0.9'), copied('node-2', '0.10')];
  const audited = await runCli(['audit', old, recent, '--json']);
  expect(audited.code).toBe(1);
  const shards = audited.lines.filter((line) => 'peers' in line);
  expect(shards.map(({ group, shard }) => [group, shard])).toEqual([
    ['seal3', 0],
    ['seal3', 1],
  ]);
  expect(shards[0]?.['peers']).toMatchObject([
    { place: old, error: null },
    { place: recent, error: null },
  ]);
  expect(entities(audited.lines).length).toBeGreaterThan(20);
  for (const [one, other] of [
    [join(old, 'property'), join(recent, 'property/repairs')],
    [join(old, 'property/repairs'), join(recent, 'property/repairs/seal3')],
  ] as const) {
    const diff = await runCli(['diff', one, other, '--json']);
    expect(entities(diff.lines)).toEqual(entities(audited.lines));
  }
});

test('a folder is equal to the files in it, and to one of the other layout', async () => {
  const [old, recent] = [copied('node-1', '0.9', 'after'), copied('node-1', '0.10', 'after')];
  const file = join(old, 'property/repairs/shard1/state-tree-seal3.data');
  for (const places of [
    [old, recent],
    [file, recent, '--shard', '1'],
  ]) {
    const diff = await runCli(['diff', ...places, '--json']);
    expect(diff).toMatchObject({ code: 0, last: { summary: { outcome: 'matched' } } });
  }
});

test('inspect and verify take a folder', async () => {
  const old = copied('node-1', '0.9');
  const inspected = await runCli(['inspect', old, '--json']);
  expect(inspected.last).toMatchObject({ summary: { shards: 2, missing: 0 } });
  const verified = await runCli(['verify', old, '--json']);
  expect(verified).toMatchObject({ code: 0, last: { summary: { outcome: 'good', shards: 2 } } });
});

test('several groups of one 0.9 shard are several shards here', async () => {
  const root = temporaryFolder();
  for (const group of ['a', 'b-c']) write(root, `shard3/state-tree-${group}.data`, makeTreeFile(tree(group)));
  const { lines } = await runCli(['inspect', root, '--json']);
  expect(lines.slice(0, -1).map(({ group, shard }) => [group, shard])).toEqual([
    ['a', 3],
    ['b-c', 3],
  ]);
});

test('what is not read says of which builds it is, and does not hide the rest', async () => {
  const root = temporaryFolder();
  const other = temporaryFolder();
  for (const place of [root, other]) write(place, 'shard0/state-tree-good.data', makeTreeFile(tree('good')));
  write(root, 'shard0/state-tree-odd.data', makeLineTreeFile());
  write(other, 'shard0/state-tree-odd.data', makeTreeFile(tree('odd')));
  const { code, lines } = await runCli(['audit', root, other, '--json']);
  expect(code).toBe(3);
  expect(lines.find(({ group }) => group === 'odd')?.['peers']).toMatchObject([
    { error: expect.stringMatching(/older than release 0\.9\.0.*builds of July and August 2025/) as unknown },
    { error: null },
  ]);
  expect(lines.find(({ group }) => group === 'good')?.['peers']).toMatchObject([
    { error: null },
    { error: null },
  ]);
  const verified = await runCli(['verify', root, '--json']);
  expect(verified).toMatchObject({ code: 2, last: { error: { code: 'bad-argument', layout: 'lines' } } });
});

test('two files of one shard in a folder, and a folder that tells no shard, are errors that name them', async () => {
  const twice = temporaryFolder();
  for (const path of ['one/g/shard0/state-tree.data', 'two/g/shard0/state-tree.data'])
    write(twice, path, makeTreeFile(tree('g')));
  const doubled = await runCli(['inspect', twice, '--json']);
  expect(doubled.last).toMatchObject({ error: { code: 'bad-argument' } });
  expect(JSON.stringify(doubled.last)).toMatch(/one\/g\/shard0.*two\/g\/shard0.*both of group g, shard 0/);
  const untold = temporaryFolder();
  write(untold, 'state-tree-g.data', makeTreeFile(tree('g')));
  const inspected = await runCli(['inspect', untold, '--json']);
  expect(inspected.last).toMatchObject({ error: { code: 'bad-argument', field: 'shard' } });
});

test('a folder of tree files is only read', async () => {
  const [old, recent] = [copied('node-1', '0.9'), copied('node-2', '0.10')];
  const { last } = await runCli(['repair', old, recent, '--json']);
  expect(last).toMatchObject({ error: { code: 'read-only', place: old } });
});
