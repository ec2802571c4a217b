/** Faults in what is pushed to BanyanDB nodes. */
import { type Bug, bug } from './bug.ts';

const deletes = 'contract/node-deletes.test.ts';

export const bugsOfNodes: readonly Bug[] = [
  bug(
    'a live copy is pushed onto a tombstone of its revision at a node',
    'banyandb/decide-push.ts',
    [
      "if (compareVersions(own, version) >= 0) return { push: 'kept' };",
      "if (own.revision > version.revision) return { push: 'kept' };",
    ],
    [deletes],
  ),
  bug(
    'two tombstones of one revision are left at a node',
    'banyandb/decide-push.ts',
    ['settle: own.revision === revision', 'settle: live && own.revision === revision'],
    [deletes],
  ),
  bug(
    'a tombstone of the first nanosecond goes to a node as a live copy',
    'banyandb/push-stream.ts',
    [
      'version.deleteTime > 1n ? version.deleteTime - 1n : version.deleteTime + 1n',
      'version.deleteTime - 1n',
    ],
    [deletes],
  ),
];
