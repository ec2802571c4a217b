import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PlanEntry, type PlanShardHead, planPageEntries } from '../../../src/repair/plan.ts';
import { RunPlan } from '../../../src/repair/run-plan.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'run-plan-'));
});
afterAll(async () => await rm(directory, { recursive: true }));

const places = Array.from({ length: 256 }, (_, at) => `place-${at}:1`);
const head = (shard: number): PlanShardHead => ({
  group: 'g',
  shard,
  settings: { shards: 3, slots: 32, spelling: 'compact' },
  spelling: 'compact',
  copies: places.map((place) => ({ place, leaves: 5, liveLeaves: null })),
});

const before = { revision: -(2n ** 63n), deleteTime: 0n, digest: Buffer.alloc(64, 9) };
const unproven = { slot: 31, digest: Buffer.alloc(64, 7), leaves: 12 };
const entry = (shard: number, at: number): PlanEntry => ({
  group: 'g',
  shard,
  entity: `g/n/é\u0000/${'x'.repeat(at % 3_000)}${at}`,
  winner: {
    revision: 2n ** 63n - 1n,
    deleteTime: BigInt(at),
    digest: Buffer.alloc(at % 3 === 0 ? 8 : 64, at),
  },
  holders: [places[255]!, places[at % 100]!],
  lackers: [
    { place: places[100]!, before: at % 2 === 0 ? null : before },
    { place: places[101]!, before: null, heldBack: 'größer als erlaubt' },
    { place: places[102]!, before },
  ],
  ...(at % 3 === 0 && { unproven }),
});

let names = 0;
async function planned(entries: number): Promise<RunPlan> {
  const plan = await RunPlan.create(join(directory, `plan${names++}`));
  for (const shard of [0, 1, 2]) {
    await plan.startShard(head(shard));
    for (let at = 0; at < entries; at++) await plan.add([entry(shard, at)]);
    const counts = await plan.endShard(shard !== 1);
    expect(counts.differing).toBe(entries);
    expect(counts.copies[100]).toEqual({
      place: places[100],
      changes: entries,
      heldBack: 0,
      replacedLive: Math.floor(entries / 2),
    });
  }
  return plan;
}

test.each([0, 1, 600])(
  '%i entries a shard are read as they were written, of complete shards only',
  async (count) => {
    await using plan = await planned(count);
    expect(plan.shards.map(({ complete }) => complete)).toEqual([true, false, true]);
    for (const [shard, { head: read, complete, entries }] of plan.shards.entries()) {
      expect(read).toEqual(head(shard));
      // Twice, side by side: reading leaves nothing behind.
      for (const pages of await Promise.all([Array.fromAsync(entries()), Array.fromAsync(entries())])) {
        expect(pages.every(({ length }) => length > 0 && length <= planPageEntries)).toBe(true);
        expect(pages.flat()).toEqual(
          complete ? Array.from({ length: count }, (_, at) => entry(shard, at)) : [],
        );
      }
    }
  },
);

test('a file that was cut is told, not taken for its end', async () => {
  await using plan = await planned(50);
  await truncate(plan.path, 4_000);
  const reading = Array.fromAsync(plan.shards[0]!.entries());
  await expect(reading).rejects.toMatchObject({ code: 'io', details: { path: plan.path } });
});

test('reading can be cancelled', async () => {
  await using plan = await planned(50);
  const reading = Array.fromAsync(plan.shards[0]!.entries(AbortSignal.abort()));
  await expect(reading).rejects.toMatchObject({ code: 'cancelled' });
});
