/**
 * Tree files of BanyanDB in a folder that was copied off a node, or any folder above them: since release 0.10
 * `GROUP/shardN/state-tree.data`, in 0.9 `shardN/state-tree-GROUP.data`, which are alike inside.
 */
import { opendir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';

/** Folders below the one that is named: `property/repairs/GROUP/shardN`, and some above. */
const depthMax = 8;

/** Entries of folders looked at: a node has a handful for each of its segments. */
const entriesMax = 1_000_000;

const treeFile = /^state-tree(?:-(.+))?\.data$/;

/** Paths of the tree files below `folder`, ascending. Follows no links. Throws `too-large`, and what reading folders throws. */
export async function findTreeFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  let entries = 0;
  const look = async (path: string, depth: number): Promise<void> => {
    for await (const entry of await opendir(path)) {
      if (++entries > entriesMax) {
        const message = `${folder} holds more than ${entriesMax} files; name the folder of the tree files, "repairs"`;
        throw new CodedError('too-large', message, { place: folder });
      }
      const child = join(path, entry.name);
      if (entry.isDirectory() && depth < depthMax) await look(child, depth + 1);
      else if (entry.isFile() && treeFile.test(entry.name)) found.push(child);
    }
  };
  await look(folder, 0);
  return found.sort();
}

/** The group that the path of a tree file tells; null where it tells none. What is in the file tells it for sure. */
export function groupOfPath(path: string): string | null {
  const inName = treeFile.exec(basename(path))?.[1];
  if (inName !== undefined) return inName;
  const folder = basename(dirname(dirname(path)));
  return folder === '' || folder === '.' ? null : folder;
}
