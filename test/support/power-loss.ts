/**
 * What a disk may hold after the power went: names and contents as of their last fsync, and of all that came later
 * any part, in any order, cut at sectors. Watches the file calls of this process through the file layer
 * (synchronous-files.ts); SQLite's own files, which do not go through it, stay as they are.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFileFault } from '../simulator/synchronous-files.ts';
import type { SeededRandom } from './seeded-random.ts';

/** What a disk writes whole or not at all. */
const sectorBytes = 512;

/** Thrown in the midst of the program when the power goes. */
export class PowerLoss extends Error {}

type Name = { readonly kind: 'folder' } | { readonly kind: 'file'; readonly identity: string };

export class WatchedDisk {
  readonly #root: string;
  /** By identity of a file: its content when it was last fsynced. */
  readonly #contents = new Map<string, Buffer>();
  /** By folder: its names when it was last fsynced. */
  readonly #names = new Map<string, ReadonlyMap<string, Name>>();
  #callsLeft: number;

  /** All that is below `root` is safe on the disk; from now on the power goes at this call that changes files. */
  constructor(root: string, callsLeft: number) {
    this.#root = root;
    this.#callsLeft = callsLeft;
    this.#keepAll(root);
    setFileFault(({ call, path }) => {
      if (this.#callsLeft === 0) throw new PowerLoss(`at ${call} of ${path}`);
      this.#callsLeft -= 1;
      if (call === 'fsync') this.#keep(path);
    });
  }

  /** Whether the program came to the call. */
  get lost(): boolean {
    return this.#callsLeft === 0;
  }

  /** Leaves on the disk what may be left, by chance. */
  restart(random: SeededRandom): void {
    setFileFault(null);
    this.#settle(this.#root, random);
  }

  #keepAll(folder: string): void {
    this.#keep(folder);
    for (const [name, { kind }] of namesIn(folder)) {
      if (kind === 'folder') this.#keepAll(join(folder, name));
      else this.#keep(join(folder, name));
    }
  }

  // Called when an fsync begins: all that was written before it is there already.
  #keep(path: string): void {
    if (statSync(path).isDirectory()) this.#names.set(path, namesIn(path));
    else this.#contents.set(identityOf(path), readFileSync(path));
  }

  #settle(folder: string, random: SeededRandom): void {
    const [kept, now] = [this.#names.get(folder) ?? new Map<string, Name>(), namesIn(folder)];
    const contents = new Map<string, Buffer>();
    for (const name of new Set([...kept.keys(), ...now.keys()])) {
      const [before, after] = [kept.get(name), now.get(name)];
      const left = random.chance(0.5) ? before : after;
      const path = join(folder, name);
      if (left?.kind === 'folder') {
        if (after?.kind === 'folder') this.#settle(path, random);
        else mkdirSync(path);
      } else if (left !== undefined) {
        const latest = after?.kind === 'file' && after.identity === left.identity ? readFileSync(path) : null;
        contents.set(path, this.#contentOf(left.identity, latest, random));
      } else if (after?.kind === 'folder') {
        rmSync(path, { recursive: true });
      }
    }
    for (const [name, { kind }] of now) if (kind === 'file') rmSync(join(folder, name), { force: true });
    for (const [path, content] of contents) writeFileSync(path, content);
  }

  #contentOf(identity: string, latest: Buffer | null, random: SeededRandom): Buffer {
    const kept = this.#contents.get(identity) ?? Buffer.alloc(0);
    if (latest === null || latest.equals(kept)) return kept;
    const length = random.pick([kept.length, latest.length, random.below(latest.length + 1)]);
    const torn = Buffer.alloc(length);
    for (let at = 0; at < length; at += sectorBytes) {
      torn.set((random.chance(0.5) ? kept : latest).subarray(at, Math.min(at + sectorBytes, length)), at);
    }
    return torn;
  }
}

// SQLite keeps its own.
function isWatched(name: string): boolean {
  return !/\.(db|lock)(-wal|-shm|-journal)?$/.test(name);
}

function namesIn(folder: string): Map<string, Name> {
  const entries = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => isWatched(name));
  return new Map(
    entries.map((entry) => [
      entry.name,
      entry.isDirectory()
        ? { kind: 'folder' }
        : { kind: 'file', identity: identityOf(join(folder, entry.name)) },
    ]),
  );
}

/** Tells files apart whatever their names; a number alone is given again. */
function identityOf(path: string): string {
  const { ino, birthtimeNs } = statSync(path, { bigint: true });
  return `${ino}-${birthtimeNs}`;
}
