/** Reading many at once: as single reads would, in the order asked, cut by bytes. */
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EncodedVersion } from '../../../src/property/encoded-version.ts';
import { databasePath } from '../../../src/property-index/data-root.ts';
import { ShardFixture } from '../../support/shard-fixture.ts';
import { makeVersion } from '../../support/versions.ts';

const versions = Array.from({ length: 20 }, (_, number) =>
  makeVersion({ id: `é${(number * 7) % 20}`, revision: 1n, value: '日'.repeat(number) }),
);
const absent = makeVersion({ id: 'absent', revision: 1n });

let fixture: ShardFixture;
beforeEach(async () => {
  fixture = await ShardFixture.create();
  await fixture.apply(versions);
});
afterEach(() => fixture[Symbol.asyncDispose]());

test('many are what single ones are, absent ones and repeated ones included', () => {
  fixture.read((reader) => {
    const keys = [versions[5]!, absent, ...versions, versions[5]!].map(({ key }) => key);
    const found = reader.getMany(keys, 1_000_000);
    expect(found.map((version) => version?.source)).toEqual(keys.map((key) => reader.get(key)?.source));
    expect(found[1]).toBe(null);
    expect(found[2]).toMatchObject({ key: keys[2], digest: versions[0]!.digest, digested: false });
    expect(reader.getMany([], 1_000)).toEqual([]);
  });
});

test('a read ends with the value that makes it full', () => {
  const keys = versions.map(({ key }) => key);
  const sizes = versions.map(EncodedVersion.sizeOf);
  fixture.read((reader) => {
    expect(reader.getMany(keys, 0)).toHaveLength(1);
    expect(reader.getMany(keys, sizes[0]! + 1)).toHaveLength(2);
    expect(reader.getMany(keys, sizes[0]! + sizes[1]!)).toHaveLength(2);
    // The connection is free again.
    expect(reader.getMany(keys, 1_000_000)).toHaveLength(20);
  });
});

test('a leaf whose value is gone is damage, not absence', () => {
  const database = new SqliteDatabase(databasePath(fixture.identity.root, 'g', 0));
  database.exec('DELETE FROM source WHERE source_id = 3');
  database.close();
  const damaged = expect.objectContaining({ code: 'damaged-database' });
  fixture.read((reader) => {
    const keys = versions.map(({ key }) => key);
    expect(() => reader.getMany(keys, 1_000_000)).toThrow(damaged);
    expect(reader.getMany(keys.slice(3), 1_000_000)).toHaveLength(17);
  });
});
