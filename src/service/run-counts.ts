/** What a run counts. */
import type { RunResource } from '../admin/resources.ts';
import type { RepairReport } from '../repair/report.ts';

type RunCounts = RunResource['counts'];

export const noRunCounts: RunCounts = {
  differing: 0,
  changed: 0,
  kept: 0,
  failed: 0,
  shipped: 0,
  bytes: 0,
};

/** Counts of a report as a run has them. */
export function countsOf({ differing, changed, kept, failed, shipped, bytes }: RepairReport): RunCounts {
  return { differing, changed, kept, failed, shipped, bytes };
}

export function addCounts(one: RunCounts, other: RunCounts): RunCounts {
  const { differing, changed, kept, failed, shipped, bytes } = other;
  return {
    differing: one.differing + differing,
    changed: one.changed + changed,
    kept: one.kept + kept,
    failed: one.failed + failed,
    shipped: one.shipped + shipped,
    bytes: one.bytes + bytes,
  };
}
