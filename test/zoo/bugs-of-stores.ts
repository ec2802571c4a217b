/** Faults in what applications write, and where it goes. */
import { type Bug, bug } from './bug.ts';

const store = 'unit/property-store/property-store.test.ts';
const replicas = 'unit/property-store/other-replicas.test.ts';
const random = 'random/property-store.test.ts';

const remoteFile = 'property-store/remote-edits.ts';

export const bugsOfStores: readonly Bug[] = [
  bug(
    'a write does not heed what its author has read',
    'property-store/write-edits.ts',
    ['stamp(property.modRevision)', 'stamp(0n)'],
    [random],
  ),
  bug(
    'a merge loses the tags that it does not name',
    'property-store/write-edits.ts',
    ["live !== null && strategy === 'merge'", "live !== null && strategy !== 'merge'"],
    [store],
  ),
  bug(
    'a write is merged into what was deleted',
    'property-store/write-edits.ts',
    ['current !== null && current.deleteTime === 0n', 'current !== null'],
    [store],
  ),
  bug(
    'one write that cannot be stored fails those that share its transaction',
    'property-index/index-writer.ts',
    ['if (error instanceof CodedError) return error;', ''],
    [store],
  ),
  bug(
    'a write goes into a database that is gone',
    'property-store/local-edits.ts',
    [' && fileAt(this.#open.writer.path) === this.#open.file', ''],
    [store],
  ),
  bug(
    'writes are not sent on',
    'property-store/property-store.ts',
    ['if (version !== null) this.#sendOn(group, shard, settings, version);', ''],
    [replicas],
  ),
  bug(
    'what is sent on is held up by the fuse of repairs',
    'property-store/outbox.ts',
    ['confirmed: batch.length', 'confirmed: null'],
    [replicas],
  ),
  bug(
    'a write elsewhere that lost to another counts as made',
    remoteFile,
    ['one.result = error && { error };', 'one.result = error ? { error } : one.result;'],
    [replicas],
  ),
];
