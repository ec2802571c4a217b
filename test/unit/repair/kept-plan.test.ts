import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { carryOutPlanFile } from '../../../src/repair/repair-shards.ts';
import type { RepairChange } from '../../../src/repair/report.ts';
import type { MemoryShardCopy } from '../../support/memory-shard-copy.ts';
import { copyOf, many, repairCopies } from '../../support/repairing.ts';
import { makeVersion } from '../../support/versions.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plan-'));
});
afterAll(async () => await rm(directory, { recursive: true }));

describe('a kept plan', () => {
  async function keepPlan(copies: MemoryShardCopy[]): Promise<string> {
    const planPath = join(directory, 'kept.plan');
    expect((await repairCopies(copies, { dryRun: true, planPath })).report.outcome).toBe('differs');
    return planPath;
  }
  async function carryOutPlan(path: string, copies: MemoryShardCopy[]) {
    const changes: RepairChange[] = [];
    const report = await carryOutPlanFile(path, [{ group: 'g', shard: 0, copies }], {
      onChange: (change) => {
        changes.push(change);
      },
    });
    return { report, changes };
  }

  test('is carried out only where it still holds', async () => {
    const copies = [copyOf('A', many(4)), copyOf('B', []), copyOf('C', many(4))];
    const path = await keepPlan(copies);
    copies[1]?.load([makeVersion({ id: 'e0', revision: 2n })]);
    copies[2]?.load([makeVersion({ id: 'e1', revision: 20n })]);
    const { report, changes } = await carryOutPlan(path, copies);
    expect(report).toMatchObject({
      outcome: 'repaired',
      differing: 4,
      changed: 2,
      kept: 2,
      failed: 0,
      shipped: 2,
    });
    const notDone = changes.filter(({ result }) => result === 'kept');
    expect(notDone.map(({ entity, place, reason }) => `${entity} ${place}: ${reason}`).sort()).toEqual([
      'g/n/e0 B: changed since the plan',
      'g/n/e1 B: changed since the plan',
    ]);
    expect(copies[1]?.get(many(1)[0]!.key)?.revision).toBe(2n);
    expect((await carryOutPlan(path, copies)).report).toMatchObject({
      outcome: 'skipped',
      changed: 0,
      kept: 4,
    });
  });

  test('is refused for other places and shards, and stopped by the fuse', async () => {
    const copies = [copyOf('A', many(200)), copyOf('B', many(200, 0, 9n))];
    const path = await keepPlan(copies);
    await expect(carryOutPlan(path, [copies[0]!, copyOf('X', [])])).rejects.toMatchObject({
      code: 'bad-plan',
    });
    await expect(carryOutPlanFile(path, [{ group: 'h', shard: 0, copies }], {})).rejects.toMatchObject({
      code: 'bad-plan',
    });
    await expect(carryOutPlan(path, copies)).rejects.toMatchObject({ code: 'fuse' });
    expect(copies[1]?.calls.sessions).toBe(0);
  });
});
