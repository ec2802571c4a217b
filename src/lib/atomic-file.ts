/**
 * Files that appear whole or not at all: written under a temporary name in the same folder, fsynced, put in
 * place by rename or link, and the folder fsynced so that the name survives power loss too.
 */
import { isErrno } from './errno.ts';
import { crashPoint } from './crash-point.ts';
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Marks temporary files; what ends so after a crash is a leftover and may be removed. */
export const temporarySuffix = '.tmp';

/** A temporary name beside `path` that no other process uses. */
export function temporaryPath(path: string): string {
  return `${path}.${process.pid}-${randomBytes(4).toString('hex')}${temporarySuffix}`;
}

/** Makes the names in a folder durable. */
export async function fsyncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Creates a folder and its parents durably. Parent by parent: where a folder takes no others, as /proc, Node's
 * recursive form tries for ever.
 */
export async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    if (isErrno(error, 'EEXIST') && (await isDirectory(directory))) return;
    const parent = dirname(directory);
    if (!isErrno(error, 'ENOENT') || parent === directory || (await isDirectory(parent))) throw error;
    await makeDirectory(parent);
    return makeDirectory(directory);
  }
  await fsyncDirectory(dirname(directory));
}

async function isDirectory(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found?.isDirectory() === true;
}

/** Puts an already fsynced temporary file in place, replacing what is there. */
export async function publishFile(temporary: string, path: string): Promise<void> {
  await rename(temporary, path);
  crashPoint('file:renamed');
  await fsyncDirectory(dirname(path));
}

/** Puts an already fsynced temporary file in place unless the name is taken; false when it is. The temporary is gone either way. */
export async function publishNewFile(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    crashPoint('file:linked');
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
    await fsyncDirectory(dirname(path));
  }
}

/** Writes a small file atomically; with `exclusive`, false when the name is taken and nothing was changed. */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  options: { readonly exclusive?: boolean } = {},
): Promise<boolean> {
  const temporary = temporaryPath(path);
  const handle = await open(temporary, 'wx', 0o600);
  try {
    crashPoint('file:opened');
    await handle.writeFile(content);
    crashPoint('file:written');
    await handle.sync();
    crashPoint('file:synced');
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  if (options.exclusive) return publishNewFile(temporary, path);
  await publishFile(temporary, path);
  return true;
}
