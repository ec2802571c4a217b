/** What BanyanDB stored and computed, read, spelled and digested by us. */
import { describe, expect, test } from 'vitest';
import { xxh64 } from '../../src/lib/xxhash.ts';
import { sourceDigest } from '../../src/property/digest.ts';
import { entityKey, joinEntity, splitEntity } from '../../src/property/entity.ts';
import { entityHash, slotOf } from '../../src/property/placement.ts';
import { parseSource, spellingOf, spellProperty } from '../../src/property/source-json.ts';
import { DigestComposer } from '../../src/property/tree-digest.ts';
import { validateRecord } from '../../src/property/validate-record.ts';
import { goldenDocumentFiles, readGoldenDocuments, readRepairVectors } from '../support/golden.ts';

const vectors = readRepairVectors();

test('XXH64 of joined entities', () => {
  const entries = Object.entries(vectors.xxh64_seed0);
  expect(entries.length).toBe(12);
  for (const [entity, hex] of entries) {
    expect(xxh64(entity).toString(16).padStart(16, '0')).toBe(hex);
    expect(entityHash(splitEntity(entity))).toBe(BigInt(`0x${hex}`));
  }
});

describe.each([
  ['compact', vectors.trees.no_space],
  ['spaced', vectors.trees.space],
] as const)('tree vectors, %s', (spelling, tree) => {
  test.each(tree.leaves)('leaf $entity', (leaf) => {
    const property = parseSource(leaf.json);
    expect(joinEntity(property)).toBe(leaf.entity);
    expect(spellingOf(leaf.json)).toBe(spelling);
    expect(spellProperty(property, spelling)).toBe(leaf.json);
    expect(sourceDigest(leaf.json, BigInt(leaf.delete_time)).toString('hex')).toBe(leaf.sha);
    expect(slotOf(entityHash(property), tree.slot_count)).toBe(leaf.slot);
  });

  test('slot digests and root compose from leaf digests', () => {
    const root = new DigestComposer();
    for (const slot of tree.slots) {
      const composer = new DigestComposer();
      const leaves = tree.leaves.filter((leaf) => leaf.slot === slot.slot);
      expect(leaves.length).toBe(slot.count);
      for (const leaf of leaves) composer.update(Buffer.from(leaf.sha, 'hex'));
      const digest = composer.finish();
      expect(digest.toString('hex')).toBe(slot.sha);
      root.update(digest);
    }
    expect(root.finish().toString('hex')).toBe(tree.root);
  });
});

test('every recording is here', () => {
  const files = goldenDocumentFiles();
  expect(files.filter((file) => file.startsWith('ring-of-three/')).length).toBe(12);
  expect(files.filter((file) => file.startsWith('two-spellings/')).length).toBe(2);
  expect(files).toContain('wide/shard-0/documents.ndjson');
});

test.each(goldenDocumentFiles())('documents of %s', (file) => {
  const documents = readGoldenDocuments(file);
  expect(documents.length).toBeGreaterThan(20);
  const spelled = file.startsWith('two-spellings/node-2') ? 'spaced' : 'compact';
  const other = spelled === 'compact' ? 'spaced' : 'compact';
  const wrong: string[] = [];
  for (const { id, source, deleteTime, sha, timestamp } of documents) {
    const property = parseSource(source);
    // A text without a comma reads the same in both spellings; none is that short here.
    const good =
      spellingOf(source) === spelled &&
      spellProperty(property, spelled) === source &&
      spellProperty(parseSource(spellProperty(property, other)), spelled) === source &&
      sourceDigest(source, BigInt(deleteTime)).toString('hex') === sha &&
      `${joinEntity(property)}/${property.modRevision}` === id &&
      property.modRevision === BigInt(timestamp) &&
      'record' in validateRecord({ id, source, deleteTime, sha, timestamp });
    if (!good) wrong.push(id);
  }
  expect(wrong).toEqual([]);
});

test('the two spellings hold the same content under the same keys', () => {
  const contents = ['node-1', 'node-2'].map((node) => {
    const documents = readGoldenDocuments(`two-spellings/${node}/shard-0/documents.ndjson`);
    return documents.map(({ source }) => {
      const property = parseSource(source);
      return `${entityKey(property).toString('hex')} ${spellProperty(property, 'compact')}`;
    });
  });
  expect(contents[0]).toEqual(contents[1]);
});
