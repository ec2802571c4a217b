import { expect, test } from 'vitest';
import { CodedError } from '../../src/lib/coded-error.ts';
import { sourceDigest } from '../../src/property/digest.ts';
import type { StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { repairCopies } from '../support/repairing.ts';
import { type SeededRandom, seededRandom, testSeed } from '../support/seeded-random.ts';
import { makeVersion } from '../support/versions.ts';
import { WrappedShardCopy } from '../support/wrapped-shard-copy.ts';

/** Fails if a tombstone of revision r ever gave way to a live version of revision r or less. */
class DeleteWatch {
  readonly #tombstones = new Map<string, StoredVersion>();

  look(copies: readonly MemoryShardCopy[]): void {
    for (const copy of copies) {
      for (const version of copy.versions) {
        const name = `${copy.place} ${version.key.toString('latin1')}`;
        const seen = this.#tombstones.get(name);
        if (version.deleteTime !== 0n) this.#tombstones.set(name, version);
        else if (seen !== undefined)
          expect(version.revision, `${name} came back`).toBeGreaterThan(seen.revision);
      }
    }
  }
}

class History {
  readonly copies: readonly MemoryShardCopy[];
  readonly #random: SeededRandom;
  readonly #watch = new DeleteWatch();
  /** Greatest version written of each entity, wherever. */
  readonly #written = new Map<string, StoredVersion>();

  constructor(random: SeededRandom) {
    this.#random = random;
    const spelling = random.chance(0.5) ? 'compact' : 'spaced';
    const slots = random.pick([1, 4, 32]);
    this.copies = Array.from({ length: 2 + random.below(4) }, (_, at) => {
      return new MemoryShardCopy({
        place: `copy${at}`,
        settings: { slots, spelling },
        pageLeaves: 1 + random.below(5),
      });
    });
    for (const copy of this.copies) copy.build();
  }

  async step(): Promise<void> {
    const random = this.#random;
    const copy = random.pick(this.copies);
    const id = `e${random.below(25)}`;
    const choice = random.below(10);
    if (choice < 4)
      this.#write(makeVersion({ id, revision: BigInt(1 + random.below(8)), value: `v${random.below(3)}` }));
    else if (choice < 6) this.#delete(copy, BigInt(1 + random.below(50)));
    else if (choice < 8) copy.build();
    else await this.#repair();
    this.#watch.look(this.copies);
  }

  async end(): Promise<void> {
    for (const copy of this.copies) copy.build();
    const { report } = await repairCopies(this.copies);
    expect(['matched', 'repaired']).toContain(report.outcome);
    this.#watch.look(this.copies);
    for (const copy of this.copies) copy.build();
    expect(new Set(this.copies.map(({ root }) => root)).size).toBe(1);
    const again = await repairCopies(this.copies);
    expect(again.report).toMatchObject({ outcome: 'matched', shipped: 0, stale: false });
    const newest = new Map(
      this.copies[0]?.versions.map((version) => [version.key.toString('latin1'), version]),
    );
    for (const [key, version] of this.#written) {
      const kept = newest.get(key);
      expect(kept?.revision ?? -1n, 'an acknowledged write was lost').toBeGreaterThanOrEqual(
        version.revision,
      );
    }
  }

  #write(version: StoredVersion): void {
    for (const copy of this.#random.subset(this.copies, 1)) copy.load([version]);
    const key = version.key.toString('latin1');
    const before = this.#written.get(key);
    if (before === undefined || before.revision < version.revision) this.#written.set(key, version);
  }

  /** As a BanyanDB node deletes: the version it has, with a delete time of its own. */
  #delete(copy: MemoryShardCopy, deleteTime: bigint): void {
    const live = copy.versions.filter((version) => version.deleteTime === 0n);
    if (live.length === 0) return;
    const version = this.#random.pick(live);
    copy.load([{ ...version, deleteTime, digest: sourceDigest(version.source, deleteTime) }]);
  }

  async #repair(): Promise<void> {
    const random = this.#random;
    const chosen = random.subset(this.copies, 2);
    // Any coordinator: the order of the copies is what it sees.
    if (random.chance(0.5)) chosen.reverse();
    const cutAt = random.chance(0.4) ? random.below(12) : Infinity;
    let calls = 0;
    const cut = (): void => {
      if (calls++ >= cutAt) throw new CodedError('unreachable', 'cut');
    };
    const wrapped = chosen.map((copy) => {
      return new WrappedShardCopy(copy, {
        beforeLeafPage: cut,
        beforeFetched: cut,
        beforeApply: cut,
        afterApply: cut,
      });
    });
    const { report } = await repairCopies(wrapped);
    if (cutAt === Infinity) expect(['matched', 'repaired']).toContain(report.outcome);
  }
}

test('any history of writes, deletes, builds and cut repairs converges, and no delete is undone', async () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  for (let round = 0; round < 60; round++) {
    const history = new History(seededRandom(seed + round));
    try {
      for (let step = 0; step < 60; step++) await history.step();
      await history.end();
    } catch (error) {
      throw new Error(`TALLYSTICK_SEED=${seed + round} fails in its first round`, { cause: error });
    }
  }
});
