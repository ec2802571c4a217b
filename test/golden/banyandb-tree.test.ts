/** BanyanDB's own tree files, recorded and computed, against a simple computation from the documents beside them. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBanyandbTree } from '../../src/banyandb/tree-file-view.ts';
import { xxh64 } from '../../src/lib/xxhash.ts';
import { makeTreeFile, sha512Hex } from '../support/banyandb-tree-bytes.ts';
import { readLeaves, readSlots } from '../support/read-view.ts';

interface VectorTree {
  readonly leaves: readonly {
    entity: string;
    json: string;
    delete_time: string;
    slot: number;
    sha: string;
  }[];
  readonly slots: readonly { slot: number; sha: string; start: number; count: number }[];
  readonly root: string;
  readonly file_hex: string;
  readonly file_sha256: string;
}

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallystick-'));
});
afterAll(() => rm(directory, { recursive: true }));

const vectorsPath = join(import.meta.dirname, 'banyandb-repair-vectors.json');
const vectors = JSON.parse(await readFile(vectorsPath, 'utf8')) as { trees: Record<string, VectorTree> };

describe.each(Object.entries(vectors.trees))('the computed tree %s', (name, tree) => {
  const bytes = Buffer.from(tree.file_hex, 'hex');

  test('is the file that was computed', () => {
    expect(bytes.length).toBe(862);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(tree.file_sha256);
    const leavesOf = (wanted: number) =>
      tree.leaves.filter(({ slot }) => slot === wanted).map(({ entity, sha }) => ({ entity, digest: sha }));
    const made = makeTreeFile(tree.slots.map(({ slot }) => ({ slot, leaves: leavesOf(slot) })));
    expect(made.equals(bytes)).toBe(true);
  });

  test('is read', async () => {
    const path = join(directory, name);
    await writeFile(path, bytes);
    await using view = await openBanyandbTree(path, { shard: 3 });
    expect(view.description).toEqual({
      group: 'g',
      shard: 3,
      shards: null,
      slotScheme: null,
      spelling: null,
      root: Buffer.from(tree.root, 'hex'),
      leaves: 3,
      liveLeaves: null,
      generation: null,
      watermark: null,
      builtAtMs: null,
      stale: false,
    });
    expect(await readSlots(view)).toEqual(
      tree.slots.map(({ slot, sha, count }) => ({ slot, digest: sha, leaves: count })),
    );
    expect(await readLeaves(view)).toEqual(
      tree.leaves.map(({ slot, entity, sha }) => ({ slot, entity, digest: sha })),
    );
    expect(await readLeaves(view, [0, 4, 31])).toEqual([
      { slot: 4, entity: 'g/n/2', digest: tree.leaves[2]!.sha },
    ]);
  });
});

const recordings = [
  ...['before', 'after'].flatMap((stage) =>
    [1, 2, 3].flatMap((replica) =>
      [0, 1].map((shard) => `ring-of-three/${stage}/node-${replica}/shard-${shard}`),
    ),
  ),
  'two-spellings/node-1/shard-0',
  'two-spellings/node-2/shard-0',
  'wide/shard-0',
];

/** Its index holds four entities twice under one revision, so the documents do not tell which of the two the tree shows. */
const ambiguousRecording = 'ring-of-three/after/node-3/shard-0';

const groups: Readonly<Record<string, string>> = {
  'ring-of-three': 'seal3',
  'two-spellings': 'spelling',
  wide: 'wide',
};

const slotCount = 32n;

interface Document {
  readonly entity: string;
  readonly name: Buffer;
  readonly id: Buffer;
  readonly revision: bigint;
  readonly digest: string;
  readonly slot: number;
}

async function readDocuments(path: string): Promise<Document[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const { id, sha } = JSON.parse(line) as { id: string; sha: string };
    const entity = id.slice(0, id.lastIndexOf('/'));
    const [, name = '', ...idParts] = entity.split('/');
    return {
      entity,
      name: Buffer.from(name),
      id: Buffer.from(idParts.join('/')),
      revision: BigInt(id.slice(entity.length + 1)),
      digest: sha,
      slot: Number(xxh64(entity) % slotCount),
    };
  });
}

/** The greatest revision of each entity, in the order of the tree. */
function newest(documents: readonly Document[]): Document[] {
  const byEntity = new Map<string, Document>();
  for (const document of documents) {
    const known = byEntity.get(document.entity);
    if (!known || document.revision > known.revision) byEntity.set(document.entity, document);
  }
  return [...byEntity.values()].sort(
    (a, b) => a.slot - b.slot || Buffer.compare(a.name, b.name) || Buffer.compare(a.id, b.id),
  );
}

describe.each(recordings)('the recorded tree %s', (recording) => {
  const folder = join(import.meta.dirname, recording);
  const path = join(folder, 'state-tree.data');

  test('has the leaves, slots and root that the documents give', async () => {
    await using view = await openBanyandbTree(path);
    expect(view.description.shard).toBe(Number(recording.at(-1)));
    expect(view.description.group).toBe(groups[recording.split('/')[0]!]);
    const documents = await readDocuments(join(folder, 'documents.ndjson'));
    const expected = newest(documents);
    const leaves = await readLeaves(view);
    expect(leaves.length).toBe(view.description.leaves);
    expect(leaves.map(({ slot, entity }) => [slot, entity])).toEqual(
      expected.map(({ slot, entity }) => [slot, entity]),
    );
    const differing = leaves.filter(({ digest }, index) => digest !== expected[index]?.digest);
    if (recording === ambiguousRecording) {
      // At most the four entities that are there twice; what the tree shows of them is one of the two.
      expect(differing.length).toBeLessThanOrEqual(4);
      const digests = new Set(documents.map(({ entity, digest }) => `${entity} ${digest}`));
      for (const { entity, digest } of differing) expect(digests).toContain(`${entity} ${digest}`);
    } else {
      expect(differing).toEqual([]);
    }
    const slots = [...Map.groupBy(leaves, ({ slot }) => slot)].map(([slot, inSlot]) => ({
      slot,
      digest: sha512Hex(inSlot.map(({ digest }) => digest).join('')),
      leaves: inSlot.length,
    }));
    expect(await readSlots(view)).toEqual(slots);
    expect(view.description.root.toString('hex')).toBe(sha512Hex(slots.map(({ digest }) => digest).join('')));
  });
});
