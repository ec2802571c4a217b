/**
 * Which service has a data root, told to other processes: so that a root and the address of who serves it are known
 * to be one replica. A mark that a kill leaves behind says nothing any more, since every start has another number; nor
 * does one that was copied, since it names the folder it was made for.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../lib/atomic-file.ts';

/** Marks a root as served by the run of the program that `instance` stands for. */
export async function markServed(root: string, instance: bigint): Promise<void> {
  const mark = { instance: String(instance), folder: await folderOf(root) };
  await writeFileAtomic(markPath(root), `${JSON.stringify(mark)}\n`);
}

/** Who served a root last; null where nobody did, or no more can be said. */
export async function servedBy(root: string): Promise<bigint | null> {
  try {
    const mark: unknown = JSON.parse(await readFile(markPath(root), 'utf8'));
    if (typeof mark !== 'object' || mark === null || !('instance' in mark) || !('folder' in mark))
      return null;
    return mark.folder === (await folderOf(root)) ? BigInt(String(mark.instance)) : null;
  } catch {
    // It is an aid: a root without one is compared as every place is.
    return null;
  }
}

function markPath(root: string): string {
  return join(root, 'serve.json');
}

async function folderOf(root: string): Promise<string> {
  const { dev, ino } = await stat(root, { bigint: true });
  return `${dev}/${ino}`;
}
