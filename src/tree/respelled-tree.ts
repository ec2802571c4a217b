/** A private tree of a shard in another spelling than its group's, for one comparison; gone when its reader is. */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeDirectory } from '../lib/atomic-file.ts';
import { createIndex } from '../property-index/schema.ts';
import { Snapshot } from '../property-index/snapshot.ts';
import { acquireBuildLock, type WriteTreeOptions, writeTree } from './build-tree.ts';
import { TreeReader } from './tree-reader.ts';

/**
 * Builds a tree of the index as it is now, in the spelling of `settings`, and opens it. Holds the build lock
 * meanwhile, so that no builder takes its files for a crash's leftovers.
 */
export async function openRespelledTree(options: Omit<WriteTreeOptions, 'generation'>): Promise<TreeReader> {
  const directory = dirname(options.path);
  await makeDirectory(directory);
  using _lock = await acquireBuildLock(directory, options);
  await createIndex(options.identity, options.settings);
  using snapshot = new Snapshot(options.identity);
  try {
    await writeTree(snapshot, { ...options, generation: 0n });
    return await TreeReader.open(options.path);
  } finally {
    // The reader keeps its descriptor; the name is not needed.
    await rm(options.path, { force: true });
  }
}
