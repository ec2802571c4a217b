/** Repairs the recorded, drifted replicas, where BanyanDB's own repair brought deletes back. */
import { expect, test } from 'vitest';
import { entityKey } from '../../src/property/entity.ts';
import { parseSource } from '../../src/property/source-json.ts';
import type { StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { readGoldenDocuments } from '../support/golden.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { repairCopies } from '../support/repairing.ts';

function recorded(folder: string): StoredVersion[] {
  return readGoldenDocuments(`${folder}/documents.ndjson`).map(({ source, deleteTime, sha }) => {
    const property = parseSource(source);
    return {
      key: entityKey(property),
      revision: property.modRevision,
      deleteTime: BigInt(deleteTime),
      digest: Buffer.from(sha, 'hex'),
      source,
    };
  });
}

/** Deletes that node 2 missed and that BanyanDB's repair undid on all three nodes. */
const cameBack = [
  'p\u0000<&>58',
  'q\u0000日本-54',
  'q\u0000日本-55',
  'ui-template\u0000emoji😀59',
  'ui-template\u0000id-56',
];

test('three drifted replicas converge, and the deletes that came back stay deleted', async () => {
  const found: string[] = [];
  for (const shard of [0, 1]) {
    const copies = [1, 2, 3].map((node) => {
      const copy = new MemoryShardCopy({
        place: `node-${node}`,
        group: 'seal3',
        shard,
        settings: { shards: 2 },
      });
      copy.load(recorded(`ring-of-three/before/node-${node}/shard-${shard}`));
      copy.build();
      return copy;
    });
    expect(new Set(copies.map(({ root }) => root)).size).toBeGreaterThan(1);
    expect((await repairCopies(copies)).report).toMatchObject({ outcome: 'repaired', failed: 0, kept: 0 });
    for (const copy of copies) copy.build();
    expect(new Set(copies.map(({ root }) => root)).size).toBe(1);
    for (const name of cameBack) {
      const versions = copies.map((copy) => copy.get(Buffer.from(name)));
      if (versions[0] === null) continue;
      found.push(name);
      for (const version of versions) expect(version?.deleteTime, name).toBeGreaterThan(0n);
    }
  }
  expect(found.sort()).toEqual([...cameBack].sort());
});

test('two nodes that spell unlike differ in the ten tombstones only', async () => {
  const copies = (['compact', 'spaced'] as const).map((spelling, at) => {
    const place = `node-${at + 1}`;
    const copy = new MemoryShardCopy({ place, group: 'spelling', settings: { spelling }, foreign: at === 1 });
    copy.load(recorded(`two-spellings/${place}/shard-0`));
    copy.build();
    return copy;
  });
  const { report } = await repairCopies(copies, { dryRun: true });
  expect(report).toMatchObject({ outcome: 'differs', differing: 10, otherSpelling: 110 });
});
