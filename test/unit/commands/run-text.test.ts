/** What a line says of a run: how far it is only where that is known. */
import { expect, test } from 'vitest';
import type { RunResource } from '../../../src/admin/resources.ts';
import { readableRun } from '../../../src/commands/run-text.ts';

const progress = { phase: 'comparing', slotsDone: 0, slotsTotal: 0, bytes: 0 };

test.each([
  [null, 'begins'],
  [{ ...progress, propertiesDone: 0, propertiesTotal: 0 }, 'comparing'],
  [{ ...progress, propertiesDone: 3, propertiesTotal: 7 }, 'comparing 3 of 7'],
])('a run with the progress %j', (progressNow, said) => {
  const run = {
    id: 'r',
    kind: 'repair',
    trigger: 'operator',
    group: 'ui',
    shard: 0,
    name: null,
    entity: null,
    state: 'running',
    dryRun: false,
    createdAt: '2026-01-01T00:00:00.000Z',
    progress: progressNow,
    etaSeconds: null,
  } as RunResource;
  expect(readableRun(run)).toBe(`2026-01-01T00:00:00  r  repair of ui/0 (operator): ${said}`);
});
