/** The store of a simulated replica as it runs in production: SQLite, tree files, a local shard copy; builds run inline. */
import fs from 'node:fs';
import SqliteDatabase from 'better-sqlite3';
import { temporarySuffix } from '../../src/lib/atomic-file.ts';
import { CodedError } from '../../src/lib/coded-error.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import { unpackVersion } from '../../src/property/version.ts';
import {
  createGroup,
  databasePath,
  readGroupSettings,
  treeDirectory,
} from '../../src/property-index/data-root.ts';
import { IndexWriter } from '../../src/property-index/index-writer.ts';
import { prepareIncoming } from '../../src/property-index/prepare-version.ts';
import { createIndex, type ShardIdentity } from '../../src/property-index/schema.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import type { ViewDescription } from '../../src/shard-copy/shard-copy.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { TreeDirectory } from '../../src/tree/tree-directory.ts';
import { unstamped } from '../support/shard-fixture.ts';
import { makeVersion } from '../support/versions.ts';
import { type Contents, entityName, group, type Store } from './replica.ts';
import type { SkewedClock } from './virtual-time.ts';

export interface LocalStoreOptions {
  readonly place: string;
  /** A folder of its own; it is removed in the end. */
  readonly root: string;
  readonly clock: SkewedClock;
  readonly slots: number;
}

export class LocalStore implements Store {
  readonly copy: LocalShardCopy;
  readonly hasCrashPoints = true;
  readonly #identity: ShardIdentity;
  readonly #settings: GroupSettings;
  readonly #clock: SkewedClock;
  readonly #trees: TreeDirectory;
  /** What the index held when each generation was made. */
  readonly #builtOf = new Map<bigint, Contents>();
  #backup: Buffer | null = null;

  constructor({ place, root, clock, slots }: LocalStoreOptions) {
    this.#identity = { root, group, shard: 0 };
    this.#settings = { shards: 1, slots, spelling: 'compact' };
    this.#clock = clock;
    this.#trees = new TreeDirectory(treeDirectory(root, group, 0));
    this.copy = new LocalShardCopy({ ...this.#identity, place, clock, mayBuild: () => true });
  }

  async write(id: string, value: string, revision: bigint | null): Promise<void> {
    using writer = await this.#writer();
    if (revision === null) {
      await writer.put([unstamped(entityName, id, [['k', { kind: 'str', value }]])]);
      return;
    }
    const prepared = prepareIncoming(makeVersion({ name: entityName, id, value, revision }), writer.target);
    if (typeof prepared === 'string') throw new Error(prepared);
    await writer.apply([prepared]);
  }

  async remove(id: string): Promise<void> {
    if (!(await this.hasGroup())) return;
    using writer = await this.#writer();
    await writer.delete({ group, name: entityName, id });
  }

  async build(): Promise<void> {
    const settings = await readGroupSettings(this.#identity.root, group);
    if (settings === null) return;
    try {
      await buildTree({ identity: this.#identity, settings, clock: this.#clock });
    } finally {
      // Also when it died after it had published.
      for (const generation of await this.#trees.generations()) {
        if (!this.#builtOf.has(generation)) this.#builtOf.set(generation, this.contents());
      }
    }
  }

  async hasGroup(): Promise<boolean> {
    return (await readGroupSettings(this.#identity.root, group)) !== null;
  }

  async listedTree(): Promise<ViewDescription | null> {
    if (!(await this.hasGroup())) return null;
    try {
      await using view = await this.copy.openView();
      return view.description;
    } catch (error) {
      if (error instanceof CodedError && error.code === 'no-tree') return null;
      throw error;
    }
  }

  contents(): Contents {
    const path = databasePath(this.#identity.root, group, 0);
    if (!fs.existsSync(path)) return new Map();
    const database = new SqliteDatabase(path, { readonly: true });
    try {
      const rows = database.prepare('SELECT entity_key, version FROM leaf').all() as {
        entity_key: Buffer;
        version: Buffer;
      }[];
      return new Map(rows.map((row) => [row.entity_key.toString('latin1'), unpackVersion(row.version)]));
    } finally {
      database.close();
    }
  }

  everything(): Contents[] {
    return [this.contents()];
  }

  builtOf({ generation }: ViewDescription): Contents | null {
    return generation === null ? new Map() : (this.#builtOf.get(generation) ?? null);
  }

  hasLeftovers(): boolean {
    const { root } = this.#identity;
    if (!fs.existsSync(root)) return false;
    const names = fs.readdirSync(root, { recursive: true, encoding: 'utf8' });
    return names.some((name) => name.endsWith(temporarySuffix));
  }

  backUp(): void {
    const path = databasePath(this.#identity.root, group, 0);
    if (!fs.existsSync(path)) return;
    const database = new SqliteDatabase(path);
    try {
      database.pragma('wal_checkpoint(TRUNCATE)');
      this.#backup = fs.readFileSync(path);
    } finally {
      database.close();
    }
  }

  restore(): boolean {
    if (this.#backup === null) return false;
    const path = databasePath(this.#identity.root, group, 0);
    for (const suffix of ['-wal', '-shm']) fs.rmSync(path + suffix, { force: true });
    fs.writeFileSync(path, this.#backup);
    return true;
  }

  async close(): Promise<void> {
    fs.rmSync(this.#identity.root, { recursive: true, force: true });
  }

  async #writer(): Promise<IndexWriter> {
    await createGroup(this.#identity.root, group, this.#settings);
    await createIndex(this.#identity, this.#settings);
    return new IndexWriter(this.#identity, { clock: this.#clock });
  }
}
