/** Faults in how trees are made, published, collected and read. */
import { type Bug, bug } from './bug.ts';

const build = 'unit/tree/build-tree.test.ts';
const directory = 'unit/tree/tree-directory.test.ts';
const writer = 'unit/property-index/index-writer.test.ts';
const reader = 'unit/tree/tree-reader.test.ts';
const damage = 'damage/tree.test.ts';
const crash = 'crash/build.test.ts';

export const bugsOfTrees: readonly Bug[] = [
  bug(
    'the last page of leaves is dropped',
    'property-index/snapshot.ts',
    [
      'if (row.packed === null || row.last === null) return;',
      'if (row.packed === null || row.last === null || row.packed.length < 9_000) return;',
    ],
    [build],
  ),
  bug(
    'a page begins one leaf behind where the page before ended',
    'property-index/snapshot.ts',
    ['after = row.last;', 'after = Buffer.concat([row.last.subarray(0, -1), Buffer.from([255])]);'],
    [build],
  ),
  bug(
    'the snapshot is not pinned, so writes during a build get into later pages',
    'property-index/snapshot.ts',
    ["database.exec('BEGIN');", ''],
    [writer],
  ),
  {
    name: 'slot files of a crashed build are used by the next',
    patches: [
      {
        file: 'tree/build-tree.ts',
        search: 'const scratch = temporaryPath(options.path);',
        replace: "const scratch = join(options.path, '..', 'scratch');",
      },
      { file: 'tree/slot-files.ts', search: "'w+', 0o600", replace: "'a+', 0o600" },
    ],
    tests: [crash],
  },
  bug(
    'a tree is written over the newest one',
    'tree/build-tree.ts',
    [
      'const generation = await directory.nextGeneration();',
      'const generation = (await directory.generations()).at(-1) ?? 1n;',
    ],
    [build, directory],
  ),
  {
    name: 'a tree is written in place, where readers and crashes see the half of it',
    patches: [
      {
        file: 'tree/build-tree.ts',
        search: 'const temporary = temporaryPath(directory.pathOf(generation));',
        replace: 'const temporary = directory.pathOf(generation);',
      },
    ],
    tests: [crash],
  },
  bug(
    'no tree is written for an empty shard',
    'tree/build-tree.ts',
    [
      'await directory.publish(temporary, generation);',
      'if (root.length > 0) await directory.publish(temporary, generation);',
    ],
    [build],
  ),
  bug(
    'an unchanged index is not built although its slot count was changed',
    'tree/build-tree.ts',
    ['header.slots === settings.slots &&', ''],
    [build],
  ),
  bug(
    'a damaged newest tree is taken for current',
    'tree/build-tree.ts',
    ['for (const path of found) await directory.setAside(path);', ''],
    [directory],
  ),
  bug(
    'the collector keeps the oldest tree',
    'tree/tree-directory.ts',
    ['generations.slice(0, -1)', 'generations.slice(1)'],
    [build, directory],
  ),
  bug(
    'what a crashed build left stays for ever',
    'tree/tree-directory.ts',
    ['if (name.endsWith(temporarySuffix))', "if (name === '')"],
    [crash, directory],
  ),
  bug(
    'two builders of one shard at a time',
    'tree/build-tree.ts',
    ['if (lock !== null) return lock;', 'return lock as FileLock;'],
    [directory],
  ),
  bug(
    'the footer of an older file behind the new one is believed',
    'tree/tree-reader.ts',
    ['if (crc32(bytes) !== entry.checksum)', 'if (bytes.length === 0 && entry.bytes > 0)'],
    [damage, reader],
  ),
  bug(
    'leaves are not held to the digest of their slot',
    'tree/tree-reader.ts',
    [
      'if (!composer.finish().equals(record.digest))',
      'if (composer.finish().length === 0 && record.leaves > 0)',
    ],
    [reader, damage],
  ),
  bug(
    'the last slots of a long list are left out',
    'shard-copy/tree-view.ts',
    ['records.slice(start, start + slotsPerPage)', 'records.slice(start, start + slotsPerPage - 1)'],
    ['unit/shard-copy/tree-view.test.ts'],
  ),
  bug(
    'a tree that is behind its index says that it is not',
    'shard-copy/local-shard-copy.ts',
    ['|| !sameWatermark(', '|| false && !sameWatermark('],
    ['contract/local-shard-copy.test.ts'],
  ),
];
