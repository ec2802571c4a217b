import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PlanEntry, type PlanShardHead, planPageEntries } from '../../../src/repair/plan.ts';
import { PlanFile } from '../../../src/repair/plan-file.ts';
import { PlanSpool } from '../../../src/repair/plan-spool.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plan-'));
});
afterAll(async () => await rm(directory, { recursive: true }));

const head = (shard: number): PlanShardHead => ({
  group: 'g',
  shard,
  settings: { shards: 3, slots: 32, spelling: 'compact' },
  spelling: 'compact',
  copies: [
    { place: 'A', leaves: 5, liveLeaves: 4 },
    { place: 'B', leaves: 5, liveLeaves: null },
  ],
});

const entry = (shard: number, at: number): PlanEntry => ({
  group: 'g',
  shard,
  entity: `g/n/é/${at}`,
  winner: { revision: 2n ** 62n, deleteTime: BigInt(at), digest: Buffer.alloc(64, at) },
  holders: ['A'],
  lackers: [
    {
      place: 'B',
      before: at % 2 === 0 ? null : { revision: -5n, deleteTime: 0n, digest: Buffer.alloc(64, 9) },
    },
  ],
});

let names = 0;
async function writePlan(entries: number): Promise<string> {
  const path = join(directory, `plan${names++}`);
  await using spool = await PlanSpool.create(path, {
    places: ['A', 'B'],
    createdAt: '2026-01-02T03:04:05.000Z',
  });
  for (const shard of [0, 1, 2]) {
    await spool.startShard(head(shard));
    for (let at = 0; at < entries; at++) await spool.add([entry(shard, at)]);
    await spool.endShard(shard !== 1);
  }
  await spool.finish();
  return path;
}

test('what was written is read again, shard by shard, whatever the length', async () => {
  await using plan = await PlanFile.open(await writePlan(700));
  expect(plan.head).toMatchObject({ places: ['A', 'B'], createdAt: '2026-01-02T03:04:05.000Z' });
  expect(plan.shards.map(({ head: { shard }, complete }) => [shard, complete])).toEqual([
    [0, true],
    [1, false],
    [2, true],
  ]);
  expect(plan.shards[2]?.head).toEqual(head(2));
  expect(plan.shards[2]?.counts).toEqual({
    differing: 700,
    copies: [
      { place: 'A', changes: 0, heldBack: 0, replacedLive: 0 },
      { place: 'B', changes: 700, heldBack: 0, replacedLive: 350 },
    ],
  });
  const pages = await Array.fromAsync(plan.shards[2]!.entries());
  expect(pages.every(({ length }) => length > 0 && length <= planPageEntries)).toBe(true);
  expect(pages.flat()).toEqual(Array.from({ length: 700 }, (_, at) => entry(2, at)));
  expect(await Array.fromAsync(plan.shards[1]!.entries())).toEqual([]);
});

test('every cut and every changed byte is refused', async () => {
  const path = await writePlan(1);
  const bytes = await readFile(path);
  const copy = join(directory, 'damaged');
  for (let at = 0; at < bytes.length; at += 3) {
    await writeFile(copy, bytes.subarray(0, at));
    await expect(PlanFile.open(copy), `cut at ${at}`).rejects.toMatchObject({
      code: 'bad-plan',
      details: { file: copy },
    });
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    await writeFile(copy, flipped);
    await expect(PlanFile.open(copy), `byte ${at} flipped`).rejects.toMatchObject({
      code: 'bad-plan',
      details: { file: copy },
    });
  }
  await writeFile(copy, Buffer.concat([bytes, Buffer.from('x')]));
  await expect(PlanFile.open(copy)).rejects.toMatchObject({ code: 'bad-plan' });
});

test('an edit is named with line and value', async () => {
  const path = await writePlan(2);
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('"deleteTime":"1"', '"deleteTime":"soon"'));
  await expect(PlanFile.open(path)).rejects.toThrow(`${path}, line 4: deleteTime is "soon"`);
  await writeFile(path, text.replace('"formatVersion":2', '"formatVersion":1'));
  await expect(PlanFile.open(path)).rejects.toThrow(`${path}, line 1: formatVersion is 1`);
  await writeFile(path, text.replace('"holders":["A"]', '"holders":["C"]'));
  await expect(PlanFile.open(path)).rejects.toThrow('line 3: the shard has no copy at C');
  await writeFile(path, text.replace('"deleteTime":"1"', '"deleteTime":"2"'));
  await expect(PlanFile.open(path)).rejects.toThrow(/sha256 is/);
});

test('a line is one line for every reader', async () => {
  const path = join(directory, 'separators');
  const named = { ...entry(0, 1), entity: 'g/n/a\u0085b\u2028c\u2029d' };
  await using spool = await PlanSpool.create(path, {
    places: ['A', 'B'],
    createdAt: '2026-01-02T03:04:05.000Z',
  });
  await spool.startShard(head(0));
  await spool.add([named]);
  await spool.endShard(true);
  await spool.finish();
  expect(await readFile(path, 'utf8')).not.toMatch(/[\u0085\u2028\u2029]/);
  await using plan = await PlanFile.open(path);
  expect((await Array.fromAsync(plan.shards[0]!.entries())).flat()).toEqual([named]);
});

test('what is no file is named', async () => {
  const nowhere = join(directory, 'nowhere');
  await expect(PlanFile.open(directory)).rejects.toMatchObject({
    code: 'bad-argument',
    details: { path: directory },
  });
  await expect(PlanFile.open(nowhere)).rejects.toMatchObject({
    code: 'not-found',
    details: { path: nowhere },
  });
});
