/** What BanyanDB recorded, loaded and built with our verbs: the trees are BanyanDB's, leaf by leaf. */
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { goldenDocumentFiles, goldenRoot, readGoldenDocuments } from '../support/golden.ts';
import { runCli, temporaryFolder } from '../support/run-cli.ts';

/** Shards of each recorded group. */
const shardCounts: Readonly<Record<string, number>> = { 'ring-of-three': 2, 'two-spellings': 1, wide: 2 };

/** BanyanDB's own fault: four tombstoned ids stand twice in its index, and its tree shows the older of them. */
const faulty = 'ring-of-three/after/node-3/shard-0';

async function loadShard(folder: string, ...options: string[]): Promise<string> {
  const root = temporaryFolder();
  const documents = join(goldenRoot, folder, 'documents.ndjson');
  const shards = String(shardCounts[folder.split('/')[0] ?? '']);
  const loaded = await runCli(['load', '--root', root, '--shards', shards, ...options, documents, '--json']);
  expect(loaded).toMatchObject({ code: 0, last: { summary: { problems: [] } } });
  return root;
}

/** The tree of a place as `inspect` tells it: its line, and its leaves without what BanyanDB's leaves lack. */
async function inspect(place: string, shard: number) {
  const { code, lines } = await runCli(['inspect', place, '--shard', String(shard), '--leaves', '--json']);
  expect(code).toBe(0);
  const leaves = lines
    .filter((line) => 'entity' in line)
    .map(({ slot, entity, digest }) => ({ slot, entity, digest }));
  return { root: lines[0].root, slots: lines[0].slots, leaves };
}

describe.each(goldenDocumentFiles().map((file) => dirname(file)))('%s', (folder) => {
  const shard = Number(/shard-(\d+)$/.exec(folder)?.[1]);

  test('makes the recorded tree', async () => {
    const root = await loadShard(folder);
    const built = await runCli(['build', root, '--shard', String(shard), '--json']);
    expect(built.lines[0]).toMatchObject({ shard, outcome: 'built', generation: 1 });
    const recordedFile = join(goldenRoot, folder, 'state-tree.data');
    const [ours, recorded] = [await inspect(root, shard), await inspect(recordedFile, shard)];
    expect(ours.root).toBe(built.lines[0].root);
    if (folder === faulty) {
      expect(ours.root).not.toBe(recorded.root);
      const differing = ours.leaves.filter(
        ({ digest }, position) => recorded.leaves[position]?.digest !== digest,
      );
      expect(ours.leaves).toHaveLength(recorded.leaves.length);
      expect(differing.length).toBeGreaterThan(0);
      expect(differing.length).toBeLessThanOrEqual(4);
      return;
    }
    expect(ours).toEqual(recorded);
    const diff = await runCli(['diff', root, recordedFile, '--shard', String(shard), '--json']);
    expect(diff).toMatchObject({ code: 0, last: { summary: { outcome: 'matched', differing: 0 } } });
    expect((await runCli(['verify', root])).code).toBe(0);
  });
});

describe('two spellings', () => {
  const folders = ['two-spellings/node-1/shard-0', 'two-spellings/node-2/shard-0'] as const;

  test.each(['compact', 'spaced'])('loaded as %s differ in the ten tombstones only', async (spelling) => {
    const roots = [];
    for (const folder of folders) roots.push(await loadShard(folder, '--spelling', spelling));
    for (const root of roots) await runCli(['build', root]);
    const diff = await runCli(['diff', ...roots, '--json']);
    expect(diff.code).toBe(1);
    expect(diff.last.summary).toMatchObject({ outcome: 'differs', differing: 10 });
    const deleted = readGoldenDocuments(`${folders[0]}/documents.ndjson`).filter(
      ({ deleteTime }) => deleteTime !== '0',
    );
    const entities = deleted.map(({ id }) => id.slice(0, id.lastIndexOf('/')));
    expect(
      diff.lines
        .slice(0, -1)
        .map(({ entity }) => entity)
        .sort(),
    ).toEqual(entities.sort());
    for (const { copies, winner } of diff.lines.slice(0, -1)) {
      expect(copies.map(({ state }: { state: string }) => state)).toEqual(['deleted', 'deleted']);
      const times = copies.map(({ deleteTime }: { deleteTime: string }) => BigInt(deleteTime));
      expect(BigInt(winner.deleteTime)).toBe(times[0] > times[1] ? times[0] : times[1]);
    }
  });

  test('each as it is spelled has no leaf in common with the other', async () => {
    const trees = [];
    for (const folder of folders) {
      const root = await loadShard(folder);
      await runCli(['build', root]);
      trees.push(await inspect(root, 0));
    }
    const [compact, spaced] = trees;
    expect(compact?.leaves).toHaveLength(120);
    for (const [position, { digest }] of (compact?.leaves ?? []).entries()) {
      expect(spaced?.leaves[position]?.digest).not.toBe(digest);
    }
  });
});
