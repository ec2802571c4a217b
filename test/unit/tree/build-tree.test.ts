/** What a build makes, and when it does: measured against trees computed in the plainest way, and against BanyanDB's. */
import { existsSync } from 'node:fs';
import { copyFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openBanyandbTree } from '../../../src/banyandb/tree-file-view.ts';
import type { GroupSettings } from '../../../src/property/group-settings.ts';
import type { Spelling } from '../../../src/property/source-json.ts';
import { compareVersions, type StoredVersion } from '../../../src/property/version.ts';
import { databasePath, treeDirectory } from '../../../src/property-index/data-root.ts';
import { parseSource } from '../../../src/property/source-json.ts';
import { type BuildOptions, type BuildResult, buildTree } from '../../../src/tree/build-tree.ts';
import { openRespelledTree } from '../../../src/tree/respelled-tree.ts';
import { TreeDirectory } from '../../../src/tree/tree-directory.ts';
import { entityKey } from '../../../src/property/entity.ts';
import { goldenRoot, readGoldenDocuments, readRepairVectors } from '../../support/golden.ts';
import { naiveTree, type PlainTree, readTree } from '../../support/naive-tree.ts';
import { readSlots } from '../../support/read-view.ts';
import { seededRandom, testSeed } from '../../support/seeded-random.ts';
import { ShardFixture } from '../../support/shard-fixture.ts';
import { makeVersion, spellVersion } from '../../support/versions.ts';

function build(fixture: ShardFixture, more: Partial<BuildOptions> = {}): Promise<BuildResult> {
  const { identity, settings, clock } = fixture;
  return buildTree({ identity, settings, clock, ...more });
}

function directoryOf({ identity }: ShardFixture): TreeDirectory {
  return new TreeDirectory(treeDirectory(identity.root, identity.group, identity.shard));
}

async function newestTree(fixture: ShardFixture): Promise<PlainTree> {
  await using reader = await directoryOf(fixture).openNewest();
  return await readTree(reader!);
}

const rootOf = (result: BuildResult) => result.root.toString('hex');

/** Odd names and ids, among them names whose tuple order is not that of the joined text, and bytes that keys escape. */
const names = [
  'a',
  'a-b',
  'a b',
  'a!',
  'A',
  '\u0000',
  '\u0001',
  'a\u0001',
  'a\u0000b',
  'é',
  '日本',
  '😀',
  'x'.repeat(700),
];
const ids = ['1', 'x/y', '/', ' ', '\u0000', '\u0001', '"', '\\', '<&>', '\uffff', '😀', 'z'.repeat(900)];

function randomVersions(seed: number, count: number): StoredVersion[] {
  const random = seededRandom(seed);
  const byKey = new Map<string, StoredVersion>();
  for (let index = 0; index < count; index += 1) {
    const version = makeVersion({
      name: random.pick(names),
      id: `${random.pick(ids)}${random.chance(0.7) ? random.below(count) : ''}`,
      revision: BigInt(random.below(1_000_000)),
      deleteTime: random.chance(0.3) ? BigInt(1 + random.below(1_000)) : 0n,
      value: String(random.below(5)),
    });
    const key = version.key.toString('hex');
    const before = byKey.get(key);
    if (before === undefined || compareVersions(version, before) > 0) byKey.set(key, version);
  }
  return [...byKey.values()];
}

describe('a built tree', () => {
  test.each([1, 2, 32, 256, 4_096, 65_536])('of %i slots is the one computed in memory', async (slots) => {
    const seed = testSeed();
    const versions = randomVersions(seed, 3_000);
    await using fixture = await ShardFixture.create({ slots });
    await fixture.apply(versions);
    const result = await build(fixture);
    const wanted = naiveTree(versions, 'g', slots);
    expect(rootOf(result), `seed ${seed}`).toBe(wanted.root);
    expect(result).toMatchObject({ outcome: 'built', generation: 1n, leaves: versions.length, setAside: [] });
    expect(await newestTree(fixture), `seed ${seed}`).toEqual(wanted);
    await using reader = await directoryOf(fixture).openNewest();
    const live = versions.filter(({ deleteTime }) => deleteTime === 0n).length;
    expect(reader!.root).toMatchObject({
      leaves: versions.length,
      liveLeaves: live,
      slots: wanted.slots.length,
    });
    expect(reader!.header).toEqual({
      ...{ group: 'g', shard: 0, shards: 1, slots, spelling: 'compact', generation: 1n },
      watermark: fixture.totals().watermark,
      builtAtMs: fixture.clock.nowMs(),
    });
  });

  test('in another spelling than the index is respelled', async () => {
    const versions = randomVersions(testSeed(), 600);
    await using fixture = await ShardFixture.create({ spelling: 'compact' });
    await fixture.apply(versions);
    const { identity, clock } = fixture;
    const settings = { ...fixture.settings, spelling: 'spaced' } as const;
    const path = join(treeDirectory(identity.root, 'g', 0), 'respelled.tmp');
    await using reader = await openRespelledTree({ identity, settings, clock, path });
    const spaced = versions.map((version) => spellVersion(version, 'spaced'));
    expect(await readTree(reader)).toEqual(naiveTree(spaced, 'g', 32));
    expect(existsSync(path)).toBe(false);
  });

  test.each<[Spelling, 'no_space' | 'space']>([
    ['compact', 'no_space'],
    ['spaced', 'space'],
  ])('of the computed documents, %s, has BanyanDB’s root and slots', async (spelling, name) => {
    const vector = readRepairVectors().trees[name];
    await using fixture = await ShardFixture.create({ spelling, slots: vector.slot_count }, 'g');
    await fixture.apply(vector.leaves.map((leaf) => versionOf(leaf.json, leaf.delete_time, leaf.sha)));
    expect(rootOf(await build(fixture))).toBe(vector.root);
    const tree = await newestTree(fixture);
    expect(tree.slots.map(({ slot, digest }) => ({ slot, digest }))).toEqual(
      vector.slots.map(({ slot, sha }) => ({ slot, digest: sha })),
    );
  });

  test.each([
    ['before', 1, 0],
    ['before', 3, 1],
    ['after', 1, 0],
    ['after', 2, 1],
  ])('of the recorded %s/node-%i/shard-%i has BanyanDB’s root and slots', async (when, node, shard) => {
    const folder = `ring-of-three/${when}/node-${node}/shard-${shard}`;
    await using fixture = await ShardFixture.create({ shards: 2 }, 'seal3', shard);
    const documents = readGoldenDocuments(`${folder}/documents.ndjson`);
    await fixture.apply(documents.map(({ source, deleteTime, sha }) => versionOf(source, deleteTime, sha)));
    const result = await build(fixture);
    await using view = await openBanyandbTree(join(goldenRoot, folder, 'state-tree.data'), { shard });
    expect(rootOf(result)).toBe(view.description.root.toString('hex'));
    const slots = (await newestTree(fixture)).slots.map(({ slot, digest, leaves }) => ({
      slot,
      digest,
      leaves: leaves.length,
    }));
    expect(slots).toEqual(await readSlots(view));
  });
});

function versionOf(source: string, deleteTime: string, digest: string): StoredVersion {
  const property = parseSource(source);
  const key = entityKey(property);
  const version = { key, revision: property.modRevision, deleteTime: BigInt(deleteTime) };
  return { ...version, digest: Buffer.from(digest, 'hex'), source };
}

describe('a shard', () => {
  test('without properties has a tree without slots, which is current', async () => {
    await using fixture = await ShardFixture.create();
    expect(await build(fixture)).toMatchObject({ outcome: 'built', leaves: 0, root: Buffer.alloc(0) });
    expect(await build(fixture)).toMatchObject({
      outcome: 'skipped',
      reason: 'unchanged',
      leaves: 0,
      generation: 1n,
    });
    expect(await newestTree(fixture)).toEqual({ root: '', slots: [] });
  });

  test('grows, changes and shrinks with its index', async () => {
    await using fixture = await ShardFixture.create();
    const one = makeVersion({ id: '1', revision: 1n });
    await fixture.apply([one]);
    expect(rootOf(await build(fixture))).toBe(naiveTree([one], 'g', 32).root);
    const two = makeVersion({ id: '2', revision: 2n, deleteTime: 5n });
    const newer = makeVersion({ id: '1', revision: 3n });
    await fixture.apply([two, newer]);
    expect(rootOf(await build(fixture))).toBe(naiveTree([newer, two], 'g', 32).root);
    expect(await newestTree(fixture)).toEqual(naiveTree([newer, two], 'g', 32));
    expect(await directoryOf(fixture).generations()).toEqual([2n]);
  });

  test('that was emptied is built empty', async () => {
    await using fixture = await ShardFixture.create();
    await fixture.apply([makeVersion({ id: '1', revision: 1n })]);
    await build(fixture);
    const path = databasePath(fixture.identity.root, 'g', 0);
    for (const suffix of ['', '-wal', '-shm']) await rm(path + suffix, { force: true });
    expect(await build(fixture)).toMatchObject({ outcome: 'built', leaves: 0, generation: 2n });
    expect(await newestTree(fixture)).toEqual({ root: '', slots: [] });
  });
});

describe('a build', () => {
  test('is skipped while nothing changed, unless it is forced', async () => {
    await using fixture = await ShardFixture.create();
    await fixture.apply(randomVersions(testSeed(), 50));
    const built = await build(fixture);
    expect(await build(fixture)).toEqual({ ...built, outcome: 'skipped', reason: 'unchanged' });
    // A version that is there already is no change.
    await fixture.apply([makeVersion({ id: 'new', revision: 1n })]);
    const again = await build(fixture);
    expect(again).toMatchObject({ outcome: 'built', generation: 2n });
    expect(await fixture.apply([makeVersion({ id: 'new', revision: 1n })])).toEqual(['kept']);
    expect(await build(fixture)).toMatchObject({ outcome: 'skipped', generation: 2n });
    expect(await build(fixture, { force: true })).toEqual({ ...again, generation: 3n });
  });

  test.each<[string, Partial<GroupSettings>]>([
    ['spelling', { spelling: 'spaced' }],
    ['shards', { shards: 2 }],
  ])('is refused when the index is of another %s than its group', async (_, change) => {
    await using fixture = await ShardFixture.create();
    fixture.settings = { ...fixture.settings, ...change };
    await expect(build(fixture)).rejects.toMatchObject({ code: 'damaged-database' });
  });

  test('is made when the group’s slots changed', async () => {
    await using fixture = await ShardFixture.create();
    await fixture.apply([makeVersion({ id: '1', revision: 1n })]);
    await build(fixture);
    fixture.settings = { ...fixture.settings, slots: 64 };
    expect(await build(fixture)).toMatchObject({ outcome: 'built', generation: 2n });
    expect(await build(fixture)).toMatchObject({ outcome: 'skipped', generation: 2n });
  });

  test('is made when a restored copy of the index went on to the same sequence', async () => {
    await using fixture = await ShardFixture.create();
    const path = databasePath(fixture.identity.root, 'g', 0);
    const backup = join(fixture.identity.root, 'backup');
    await fixture.apply([makeVersion({ id: '1', revision: 1n })]);
    await copyFile(path, backup);
    await fixture.apply([makeVersion({ id: '2', revision: 1n })]);
    await build(fixture);
    const { sequence } = fixture.totals().watermark;
    await copyFile(backup, path);
    const other = [makeVersion({ id: '1', revision: 1n }), makeVersion({ id: '3', revision: 1n })];
    await fixture.apply(other);
    expect(fixture.totals().watermark.sequence).toBe(sequence);
    expect(rootOf(await build(fixture))).toBe(naiveTree(other, 'g', 32).root);
  });

  test('of an index that does not hold what it counts fails and leaves nothing', async () => {
    await using fixture = await ShardFixture.create();
    await fixture.apply([makeVersion({ id: '1', revision: 1n })]);
    const database = new SqliteDatabase(databasePath(fixture.identity.root, 'g', 0));
    database.exec('UPDATE shard SET leaf_count = 2');
    database.close();
    await expect(build(fixture)).rejects.toMatchObject({ code: 'damaged-database' });
    expect(await readdir(directoryOf(fixture).path)).toEqual(['build.lock']);
  });

  test('tells its progress', async () => {
    await using fixture = await ShardFixture.create();
    await fixture.apply(randomVersions(testSeed(), 2_500));
    const told: string[] = [];
    let last = 0;
    const { leaves } = await build(fixture, {
      onProgress: ({ phase, done, total }) => {
        expect(done).toBeLessThanOrEqual(total);
        if (told.at(-1) !== phase) told.push(phase);
        last = done;
      },
    });
    expect(told).toEqual(['reading', 'composing']);
    expect(last).toBe(leaves);
  });
});
