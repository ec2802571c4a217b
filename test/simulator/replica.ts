/**
 * One replica of a simulated cluster: a process that can crash in the midst of whatever it does, over a copy of
 * the one shard there is. What it does is done before anything else in the cluster happens.
 */
import type { UniversalHandler, UniversalHandlerFn } from '@connectrpc/connect/protocol';
import { setCrashHook } from '../../src/lib/crash-point.ts';
import type { Version } from '../../src/property/version.ts';
import type { ShardCopy, ViewDescription } from '../../src/shard-copy/shard-copy.ts';
import { setFileFault } from './synchronous-files.ts';
import type { SkewedClock } from './virtual-time.ts';

export const group = 'g';
export const entityName = 'n';

/** Newest version of each entity, by its key in latin1. */
export type Contents = ReadonlyMap<string, Version>;

/** The property store of a replica, on the far side of the network. */
export interface Store {
  readonly copy: ShardCopy;
  /** Whether it can die in the midst of its work; one in memory dies before or after. */
  readonly hasCrashPoints: boolean;
  /**
   * Writes a property as an application does; with a revision, as one that was stamped elsewhere. Resolves when that is
   * acknowledged.
   */
  write(id: string, value: string, revision: bigint | null): Promise<void>;
  remove(id: string): Promise<void>;
  build(): Promise<void>;
  hasGroup(): Promise<boolean>;
  /** What the newest tree says of itself; null where there is none. */
  listedTree(): Promise<ViewDescription | null>;
  /** What the index holds now, read past the code under test where that is possible. */
  contents(): Contents;
  /** All versions it has of each entity, of which its tree takes one. */
  everything(): Contents[];
  /** What the index held when the tree of this description was made of it; null where none was. */
  builtOf(tree: ViewDescription): Contents | null;
  /** Whether there are temporary files that nobody works on any more. */
  hasLeftovers(): boolean;
  /** Keeps a copy of the database as it is, as a backup tool would. */
  backUp(): void;
  /** Puts the backup in the database's place; false where there is none. */
  restore(): boolean;
  close(): Promise<void>;
}

export interface ReplicaOptions {
  readonly name: string;
  readonly kind: 'tallystick' | 'banyandb';
  readonly clock: SkewedClock;
  readonly store: Store;
  /** What it serves over the wire, anew in each life. */
  readonly serve: (replica: Replica) => Serving;
}

/** What a process serves; ends with it. */
export interface Serving extends AsyncDisposable {
  readonly handlers: readonly UniversalHandler[];
}

/** Thrown through the code under test when its process dies; nothing may catch it and go on. */
export class Crashed extends Error {
  override readonly message = 'the process that does this is dead';
}

export class Replica {
  readonly name: string;
  readonly kind: 'tallystick' | 'banyandb';
  readonly clock: SkewedClock;
  readonly store: Store;
  up = true;
  /** Rises with each crash: what was opened before is gone. */
  life = 0;
  /** Changed since the invariants were last looked at. */
  touched = true;
  readonly #open = new Set<AsyncDisposable>();
  readonly #serve: (replica: Replica) => Serving;
  /** What it serves over the wire in this life, once it was called. */
  #serving: Serving | null = null;
  #dead = false;

  constructor(options: ReplicaOptions) {
    this.name = options.name;
    this.kind = options.kind;
    this.clock = options.clock;
    this.store = options.store;
    this.#serve = options.serve;
  }

  /** The function of a call over the wire, by the last part of its path. */
  serving(what: string): UniversalHandlerFn {
    this.#serving ??= this.hold(this.#serve(this));
    const handler = this.#serving.handlers.find(({ method }) => method.name === what);
    if (handler === undefined) throw new Error(`${this.name} does not serve ${what}`);
    return handler;
  }

  /**
   * Does something at the replica. With `crashAt`, the process dies at the crash point of that number, counted
   * from 0, or at the end where there are fewer: then this throws {@link Crashed}.
   */
  async perform<Result>(work: () => Promise<Result>, crashAt: number | null = null): Promise<Result> {
    this.touched = true;
    if (crashAt === null) return await work();
    this.dieAt(crashAt);
    try {
      if (crashAt > 0 || this.store.hasCrashPoints) await work();
    } catch (error) {
      if (!this.#dead) throw error;
    } finally {
      await this.died();
    }
    throw new Crashed();
  }

  /** Has the process die at the crash point of that number of what it does from now on, until {@link died}. */
  dieAt(crashAt: number): void {
    let left = crashAt;
    this.#dead = false;
    setCrashHook(() => {
      if (left-- > 0) return;
      this.#dead = true;
      throw new Crashed();
    });
    // A dead process changes no file any more, so what it would have cleaned up stays.
    setFileFault(() => {
      if (this.#dead) throw new Crashed();
    });
  }

  /** The process that was to die is dead, by now at the latest. */
  async died(): Promise<void> {
    setCrashHook(null);
    setFileFault(null);
    await this.crash();
  }

  /** Keeps something that ends with the process. */
  hold<Resource extends AsyncDisposable>(resource: Resource): Resource {
    this.#open.add(resource);
    return resource;
  }

  async release(resource: AsyncDisposable): Promise<void> {
    if (this.#open.delete(resource)) await resource[Symbol.asyncDispose]();
  }

  /** Something that was kept has ended by itself. */
  forget(resource: AsyncDisposable): void {
    this.#open.delete(resource);
  }

  async crash(): Promise<void> {
    this.up = false;
    this.life += 1;
    this.#serving = null;
    for (const resource of [...this.#open]) await this.release(resource);
  }

  restart(): void {
    this.up = true;
  }

  async close(): Promise<void> {
    await this.crash();
    await this.store.close();
  }
}
