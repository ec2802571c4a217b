/**
 * The tree files of one shard as generations: finding the newest, publishing, collecting, and
 * cleaning up what a crash left. Files are immutable, and a reader's descriptor is its pin: a
 * collected file stays readable until it is closed, whichever process collected it. Everything here can be lost: it is built again from the index.
 */
import { isErrno } from '../lib/errno.ts';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fsyncDirectory, makeDirectory, publishFile, temporarySuffix } from '../lib/atomic-file.ts';
import { CodedError } from '../lib/coded-error.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { TreeReader } from './tree-reader.ts';

/** What a damaged file is renamed to, beside its old name; kept for whoever wants to look, at most one per name. */
const damagedSuffix = '.damaged';

const treeNamePattern = /^([0-9a-f]{16})\.tree$/;
const damagedNamePattern = /^([0-9a-f]{16})\.tree\.damaged$/;

export function treeFileName(generation: bigint): string {
  return `${generation.toString(16).padStart(16, '0')}.tree`;
}

/** Told of files that were set aside. */
export type OnDamage = (path: string, error: CodedError) => void;

export class TreeDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Generations present, ascending; none when the folder is absent. */
  async generations(): Promise<bigint[]> {
    return await this.#numbers(treeNamePattern);
  }

  /** The number of the next tree: greater than any here, also than those of trees that were set aside. */
  async nextGeneration(): Promise<bigint> {
    const newest = [await this.#numbers(treeNamePattern), await this.#numbers(damagedNamePattern)].map(
      (numbers) => numbers.at(-1) ?? 0n,
    );
    return newest.reduce((a, b) => (a > b ? a : b)) + 1n;
  }

  async #numbers(pattern: RegExp): Promise<bigint[]> {
    const names = await readdir(this.path).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return [];
      throw CodedError.from(error);
    });
    const numbers = names.flatMap((name) => {
      const match = pattern.exec(name);
      return match === null ? [] : [BigInt(`0x${match[1]}`)];
    });
    return numbers.sort((a, b) => (a < b ? -1 : 1));
  }

  pathOf(generation: bigint): string {
    return join(this.path, treeFileName(generation));
  }

  /**
   * Opens the newest readable tree; null where there is none. A damaged one is passed over and told to
   * `onDamage`; it stays in place unless the caller, holding the build lock, sets it aside.
   */
  async openNewest(onDamage?: OnDamage): Promise<TreeReader | null> {
    // Bounded: each turn passes over one file; a file that vanished was collected, so a newer one is looked for once more.
    for (let attempt = 0; attempt < 3; attempt += 1) {
      let vanished = false;
      for (const generation of (await this.generations()).reverse()) {
        try {
          return await TreeReader.open(this.pathOf(generation));
        } catch (error) {
          if (!(error instanceof CodedError)) throw error;
          if (error.code === 'not-found') {
            vanished = true;
            break;
          }
          if (error.code !== 'damaged-file') throw error;
          onDamage?.(this.pathOf(generation), error);
        }
      }
      if (!vanished) return null;
    }
    return null;
  }

  /** Opens one generation. Throws `generation-gone` when it was collected. */
  async open(generation: bigint): Promise<TreeReader> {
    try {
      return await TreeReader.open(this.pathOf(generation));
    } catch (error) {
      if (error instanceof CodedError && error.code === 'not-found') {
        throw new CodedError(
          'generation-gone',
          `tree generation ${generation} in ${this.path} is gone`,
          { generation: String(generation) },
          { cause: error },
        );
      }
      throw error;
    }
  }

  /** Renames a damaged file out of the way, so that the next build makes a tree although the index has not changed. */
  async setAside(path: string): Promise<void> {
    try {
      await rename(path, `${path}${damagedSuffix}`);
    } catch (error) {
      // Somebody else set it aside, or collected it.
      if (isErrno(error, 'ENOENT')) return;
      throw error;
    }
    await fsyncDirectory(this.path);
  }

  /** Makes a finished, fsynced temporary file the newest generation. */
  async publish(temporary: string, generation: bigint): Promise<void> {
    crashPoint('tree:publish');
    await publishFile(temporary, this.pathOf(generation));
    crashPoint('tree:published');
  }

  /** Removes all generations but the newest; who reads one goes on reading it. Call with the build lock held. */
  async collect(): Promise<void> {
    const generations = await this.generations();
    for (const generation of generations.slice(0, -1)) {
      crashPoint('tree:collect');
      await rm(this.pathOf(generation), { force: true });
    }
  }

  /** Removes temporary files and folders of builds that did not end. Call with the build lock held. */
  async removeLeftovers(): Promise<void> {
    await makeDirectory(this.path);
    for (const name of await readdir(this.path)) {
      if (name.endsWith(temporarySuffix))
        await rm(join(this.path, basename(name)), { recursive: true, force: true });
    }
  }
}
