/** The store of a simulated replica in memory: the plain model, quick enough for hundreds of clusters a minute. */
import { sourceDigest } from '../../src/property/digest.ts';
import type { StoredVersion } from '../../src/property/version.ts';
import { entityKey } from '../../src/property/entity.ts';
import type { ViewDescription } from '../../src/shard-copy/shard-copy.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { makeVersion } from '../support/versions.ts';
import { type Contents, entityName, type Store } from './replica.ts';
import type { SkewedClock } from './virtual-time.ts';

export interface MemoryStoreOptions {
  readonly place: string;
  readonly clock: SkewedClock;
  readonly slots: number;
  readonly pageLeaves: number;
}

export class MemoryStore implements Store {
  readonly copy: MemoryShardCopy;
  readonly hasCrashPoints = false;
  readonly #clock: SkewedClock;
  /** As last read, with the sequence it is of. */
  #contents: { sequence: bigint; contents: Contents } = { sequence: 0n, contents: new Map() };
  #revisionMax = 0n;
  /** What the index held when each generation was made. */
  readonly #builtOf = new Map<bigint, Contents>();

  constructor({ place, clock, slots, pageLeaves }: MemoryStoreOptions) {
    this.#clock = clock;
    this.copy = new MemoryShardCopy({ place, settings: { slots }, pageLeaves });
    this.#build();
  }

  async write(id: string, value: string, revision: bigint | null): Promise<void> {
    this.#load(makeVersion({ name: entityName, id, value, revision: revision ?? this.#nextRevision() }));
  }

  async remove(id: string): Promise<void> {
    const version = this.copy.get(entityKey({ name: entityName, id }));
    if (version === null || version.deleteTime !== 0n) return;
    const deleteTime = this.#clock.nowNs();
    this.#load({ ...version, deleteTime, digest: sourceDigest(version.source, deleteTime) });
  }

  async build(): Promise<void> {
    this.#build();
  }

  #build(): void {
    this.copy.build();
    this.#builtOf.set(this.copy.generation, this.contents());
  }

  async hasGroup(): Promise<boolean> {
    return true;
  }

  async listedTree(): Promise<ViewDescription> {
    await using view = await this.copy.openView();
    return view.description;
  }

  contents(): Contents {
    const { sequence } = this.copy;
    if (this.#contents.sequence !== sequence) {
      const contents = new Map(
        this.copy.versions.map((version) => [version.key.toString('latin1'), version]),
      );
      this.#contents = { sequence, contents };
    }
    return this.#contents.contents;
  }

  everything(): Contents[] {
    return [this.contents()];
  }

  builtOf({ generation }: ViewDescription): Contents | null {
    return generation === null ? null : (this.#builtOf.get(generation) ?? null);
  }

  hasLeftovers(): boolean {
    return false;
  }

  backUp(): void {}

  restore(): boolean {
    return false;
  }

  async close(): Promise<void> {}

  #load(version: StoredVersion): void {
    this.copy.load([version]);
  }

  #nextRevision(): bigint {
    for (const { revision } of this.copy.versions) {
      if (revision > this.#revisionMax) this.#revisionMax = revision;
    }
    const now = this.#clock.nowNs();
    return now > this.#revisionMax ? now : this.#revisionMax + 1n;
  }
}
