/**
 * The drifted ring that BanyanDB recorded, loaded, compared and repaired with our verbs. BanyanDB's own repair
 * brought five deletes back; ours leaves every entity at the greatest version any replica had.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sourceDigest } from '../../src/property/digest.ts';
import { compareVersions, type Version } from '../../src/property/version.ts';
import { goldenRoot, readGoldenDocuments } from '../support/golden.ts';
import { type JsonLine, runCli, temporaryFolder } from '../support/run-cli.ts';

const before = 'ring-of-three/before';
const replicas = ['node-1', 'node-2', 'node-3'];

/** Live again on all three after BanyanDB's repair, though two of three had the tombstone. */
const undeletedByBanyandb = [
  'seal3/p/<&>58',
  'seal3/q/日本-54',
  'seal3/q/日本-55',
  'seal3/ui-template/emoji😀59',
  'seal3/ui-template/id-56',
];

/** The greatest version of each entity over all replicas. */
function greatestVersions(): Map<string, Version> {
  const greatest = new Map<string, Version>();
  for (const replica of replicas) {
    for (const shard of readdirSync(join(goldenRoot, before, replica))) {
      for (const { id, source, deleteTime, timestamp } of readGoldenDocuments(
        `${before}/${replica}/${shard}/documents.ndjson`,
      )) {
        const entity = id.slice(0, id.lastIndexOf('/'));
        const version = {
          revision: BigInt(timestamp),
          deleteTime: BigInt(deleteTime),
          digest: sourceDigest(source, BigInt(deleteTime)),
        };
        const known = greatest.get(entity);
        if (known === undefined || compareVersions(version, known) > 0) greatest.set(entity, version);
      }
    }
  }
  return greatest;
}

async function loadRing(): Promise<string[]> {
  const roots: string[] = [];
  for (const replica of replicas) {
    const root = temporaryFolder();
    const files = [0, 1].map((shard) =>
      join(goldenRoot, before, replica, `shard-${shard}`, 'documents.ndjson'),
    );
    expect((await runCli(['load', '--root', root, '--shards', '2', ...files])).code).toBe(0);
    roots.push(root);
  }
  return roots;
}

async function rootsOf(root: string): Promise<string[]> {
  const { lines } = await runCli(['inspect', root, '--json']);
  return lines.slice(0, -1).map(({ root: digest }) => digest as string);
}

test('every entity ends at its greatest version everywhere, and no delete is undone', async () => {
  const roots = await loadRing();
  const greatest = greatestVersions();
  expect(greatest.size).toBe(108);
  const repaired = await runCli(['repair', ...roots, '--json']);
  expect(repaired.code).toBe(0);
  expect(repaired.last.summary).toMatchObject({ outcome: 'repaired', failed: 0, kept: 0 });

  const [first, ...others] = await Promise.all(roots.map(rootsOf));
  expect(first).toHaveLength(2);
  for (const other of others) expect(other).toEqual(first);

  for (const root of roots) {
    const found = new Map<string, JsonLine>();
    for (const line of (await runCli(['inspect', root, '--leaves', '--json'])).lines) {
      if ('entity' in line) found.set(line.entity, line);
    }
    expect([...found.keys()].sort()).toEqual([...greatest.keys()].sort());
    for (const [entity, { revision, deleteTime, digest }] of greatest) {
      expect(found.get(entity)).toMatchObject({
        revision: String(revision),
        deleteTime: String(deleteTime),
        digest: digest.toString('hex'),
      });
    }
    for (const entity of undeletedByBanyandb) {
      expect((await runCli(['get', '--root', root, entity])).code).toBe(1);
      expect((await runCli(['get', '--root', root, entity, '--deleted'])).code).toBe(0);
    }
    expect((await runCli(['verify', root])).code).toBe(0);
  }

  const again = await runCli(['repair', ...roots, '--json']);
  expect(again).toMatchObject({ code: 0, last: { summary: { outcome: 'matched', changed: 0, shipped: 0 } } });
});

test('a dry run names exactly the changes that the repair makes, and makes none', async () => {
  const roots = await loadRing();
  const dry = await runCli(['repair', ...roots, '--dry-run', '--json']);
  expect(dry.code).toBe(1);
  expect(dry.last.summary).toMatchObject({ outcome: 'differs', changed: 0, shipped: 0 });
  const diff = await runCli(['diff', ...roots, '--json']);
  expect(diff.code).toBe(1);
  const entities = (lines: readonly JsonLine[]) =>
    [...new Set(lines.slice(0, -1).map(({ entity }) => entity))].sort();
  expect(entities(diff.lines)).toEqual(entities(dry.lines));

  const repaired = await runCli(['repair', ...roots, '--json']);
  const key = ({ entity, place, after }: JsonLine) => JSON.stringify([entity, place, after]);
  expect(repaired.lines.slice(0, -1).map(key).sort()).toEqual(dry.lines.slice(0, -1).map(key).sort());
});
