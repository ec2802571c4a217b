/** Faults in what lies on disk: durability, damage that goes unseen, what an application writes. */
import { type Bug, bug } from './bug.ts';

const index = 'unit/property-index/index-writer.test.ts';
const damagedIndex = 'unit/property-index/damaged-index.test.ts';
const powerLoss = 'damage/power-loss.test.ts';

const writerFile = 'property-index/index-writer.ts';
const readerFile = 'property-index/index-reader.ts';

export const bugsOfStorage: readonly Bug[] = [
  bug(
    'settings are put in place before they are on the disk',
    'lib/atomic-file.ts',
    ["    await handle.sync();\n    crashPoint('file:synced');", "    crashPoint('file:synced');"],
    [powerLoss],
  ),
  bug(
    'a tree is published before its bytes are on the disk',
    'tree/tree-writer.ts',
    ['    fsyncSync(descriptor);\n', ''],
    [powerLoss],
  ),
  bug(
    'the name of a published file is not made durable',
    'lib/atomic-file.ts',
    [
      "  crashPoint('file:renamed');\n  await fsyncDirectory(dirname(path));",
      "  crashPoint('file:renamed');",
    ],
    [powerLoss],
  ),
  bug(
    'a property whose value is gone is taken for absent',
    readerFile,
    [
      'text FROM leaf LEFT JOIN source USING (source_id) WHERE entity_key = ?',
      'text FROM leaf JOIN source USING (source_id) WHERE entity_key = ?',
    ],
    [damagedIndex],
  ),
  bug(
    'a value that rotted is shown as it is',
    readerFile,
    ['if (version !== null) checkValue(version, this.path);', ''],
    [damagedIndex],
  ),
  bug(
    'a write whose value went nowhere is acknowledged',
    writerFile,
    ['found.source_id).changes !== 1)', 'found.source_id).changes < 0)'],
    [damagedIndex],
  ),
  bug(
    'a walk that a damaged database leads back goes on for ever',
    'property-index/check-value.ts',
    ['if (compareBytes(key, before) > 0) return;', 'return;'],
    ['unit/property-index/check-value.test.ts'],
  ),
  bug(
    'a damaged history keeps the service from starting',
    'service/history.ts',
    ["if (check !== 'ok')", "if (check === '')"],
    ['damage/history.test.ts'],
  ),
  bug(
    'a database of a newer program is written',
    'property-index/schema.ts',
    ["typeof version === 'number' && version > schemaVersion", 'version === undefined'],
    [damagedIndex],
  ),
  bug(
    'a group name may lead out of the data root',
    'property/group-settings.ts',
    ['!groupNamePattern.test(group) ||', ''],
    ['unit/property-index/data-root.test.ts'],
  ),
  bug(
    'a delete that is there already is stamped anew',
    'property-index/edit.ts',
    ['current === null || current.deleteTime !== 0n ? null', 'current === null ? null'],
    [index],
  ),
  bug(
    'at equal revision what comes in wins',
    writerFile,
    [
      'if (this.#compareToStored(prepared, found) <= 0)',
      'if (prepared.version.compare(found.version, 0, 8, 0, 8) < 0)',
    ],
    [index],
  ),
  {
    name: 'an entity is kept twice',
    patches: [
      { file: 'property-index/schema.ts', search: 'entity_key BLOB PRIMARY KEY', replace: 'entity_key BLOB' },
      {
        file: 'property-index/schema.ts',
        search: 'source_id  INTEGER NOT NULL\n  ) STRICT, WITHOUT ROWID;',
        replace: 'source_id  INTEGER NOT NULL\n  ) STRICT;',
      },
      {
        file: writerFile,
        search: 'this.#updateLeaf.run(prepared.version, prepared.key);',
        replace: 'this.#insertLeaf.run(prepared.key, prepared.placement, prepared.version, found.source_id);',
      },
    ],
    tests: [index],
  },
  bug(
    'the apply thread takes every digest for checked',
    'shard-copy/packed-batch.ts',
    ['digested: digested[at] ?? false', 'digested: digested.length > 0'],
    ['unit/shard-copy/apply-thread.test.ts', 'contract/local-shard-copy.test.ts'],
  ),
  bug(
    'versions on their way into the apply thread change places',
    'shard-copy/packed-batch.ts',
    [
      'packVersionInto(packed, offset + version.key.length, version);',
      'packVersionInto(packed, offset + version.key.length, batch[0] as StoredVersion);',
    ],
    ['unit/shard-copy/apply-thread.test.ts', 'contract/local-shard-copy.test.ts'],
  ),
];
