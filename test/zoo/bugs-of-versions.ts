/** Faults in what a version is, which one wins, and what the property index keeps. */
import { type Bug, bug } from './bug.ts';

const order = 'unit/property/order.test.ts';
const index = 'unit/property-index/index-writer.test.ts';
const simulator = 'simulator/simulator.test.ts';

const versionFile = 'property/version.ts';
const writerFile = 'property-index/index-writer.ts';

export const bugsOfVersions: readonly Bug[] = [
  bug(
    'a tie falls to the smaller digest in one place and to the greater in another',
    versionFile,
    ['return compareBytes(a.digest, b.digest);', 'return compareBytes(b.digest, a.digest);'],
    [order],
  ),
  bug(
    'a delete loses to a live version of the same revision',
    versionFile,
    ['return a.deleteTime < b.deleteTime ? -1 : 1;', 'return a.deleteTime < b.deleteTime ? 1 : -1;'],
    [simulator],
  ),
  bug(
    'a delete at the same revision is taken for the same version',
    versionFile,
    ['if (a.deleteTime !== b.deleteTime)', 'if (a.revision < 0n)'],
    [order],
  ),
  bug(
    'revisions are compared as text',
    versionFile,
    ['return a.revision < b.revision ? -1 : 1;', 'return String(a.revision) < String(b.revision) ? -1 : 1;'],
    [order],
  ),
  bug('packed versions of negative times sort last', versionFile, ['1n << 63n', '0n'], [order]),
  bug(
    'the digest leaves out the delete time',
    'property/digest.ts',
    ["hash('sha512', source + time, 'buffer')", "hash('sha512', source, 'buffer')"],
    ['golden/property-digests.test.ts'],
  ),
  bug(
    'digests are composed such that two equal changes cancel out',
    'property/tree-digest.ts',
    [
      "this.#hash.update(bytes.toString('hex'), 'latin1');",
      `const sum = (this as unknown as { sum?: Buffer });
    sum.sum ??= Buffer.alloc(64);
    for (let at = 0; at < bytes.length; at += 1) sum.sum[at % 64] = (sum.sum[at % 64] as number) ^ (bytes[at] as number);
    this.#hash = createHash('sha512').update(sum.sum.toString('hex'));`,
    ],
    ['unit/property/tree-digest.test.ts', 'golden/tree-format.test.ts'],
  ),
  bug(
    'slots are taken from other bits of the hash than shards',
    'property/placement.ts',
    ['return Number(hash % BigInt(slots));', 'return Number((hash >> 16n) % BigInt(slots));'],
    ['golden/banyandb-tree.test.ts', 'unit/diff/diff-shard.test.ts'],
  ),
  bug(
    'a version is applied without comparing',
    writerFile,
    ["if (this.#compareToStored(prepared, found) <= 0) return 'kept';", ''],
    [simulator],
  ),
  bug(
    'a version that is there already is written again',
    writerFile,
    ['prepared, found) <= 0) return', 'prepared, found) < 0) return'],
    [index],
  ),
  bug(
    'a write is stamped by a clock that is behind',
    writerFile,
    ['if (now > greatest) return now;', 'if (now > 0n) return now;'],
    [index],
  ),
  bug(
    'the token of a write is always the same',
    writerFile,
    ['randomBytes(writeTokenBytes), totals', 'Buffer.alloc(writeTokenBytes), totals'],
    [index],
  ),
  bug(
    'a watermark is the sequence alone, which a restored database reaches again',
    'property/watermark.ts',
    [' && a.token === b.token', ''],
    ['unit/tree/build-tree.test.ts'],
  ),
  bug('the count of leaves is not kept', writerFile, ['totals.leaves += 1;', ''], [index]),
  bug(
    'the count of live properties is not kept',
    writerFile,
    ['totals.live += Number(prepared.live) - Number(wasLive);', ''],
    [index],
  ),
  bug(
    'a write that failed halfway stays in its transaction',
    'property-index/database.ts',
    [
      "if (database.inTransaction) database.exec('ROLLBACK');",
      "if (database.inTransaction) database.exec('COMMIT');",
    ],
    [index],
  ),
  bug(
    'a received version is stored under a digest nobody checked',
    'property-index/prepare-version.ts',
    [
      'if (!sourceDigest(bytes, deleteTime).equals(digest))',
      'if (digest.length === 0 && !sourceDigest(bytes, deleteTime).equals(digest))',
    ],
    ['contract/local-shard-copy.test.ts'],
  ),
];
