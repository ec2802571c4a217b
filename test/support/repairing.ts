/** Runs repairs over copies as tests want them: changes gathered, system clock, no budget. */
import { systemClock } from '../../src/lib/clock.ts';
import { type RepairOptions, repairShards } from '../../src/repair/repair-shards.ts';
import type { RepairChange, RepairReport } from '../../src/repair/report.ts';
import type { ShardCopy, StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { MemoryShardCopy, type MemoryShardCopyOptions } from './memory-shard-copy.ts';
import { makeVersion } from './versions.ts';

export interface Repaired {
  readonly report: RepairReport;
  readonly changes: readonly RepairChange[];
}

/** One shard, `g` 0 unless the copies say otherwise. */
export async function repairCopies(
  copies: readonly ShardCopy[],
  options: Partial<RepairOptions> = {},
): Promise<Repaired> {
  const { group = 'g', shard = 0 } = copies[0] ?? {};
  const changes: RepairChange[] = [];
  const report = await repairShards([{ group, shard, copies }], {
    clock: systemClock,
    onChange: (change) => {
      changes.push(change);
    },
    ...options,
  });
  return { report, changes };
}

/** A built copy of these versions. */
export function copyOf(
  place: string,
  versions: StoredVersion[],
  options: MemoryShardCopyOptions = {},
): MemoryShardCopy {
  const copy = new MemoryShardCopy({ place, ...options });
  copy.load(versions);
  copy.build();
  return copy;
}

/** Live versions of e0, e1, … */
export const many = (count: number, from = 0, revision = 10n): StoredVersion[] =>
  Array.from({ length: count }, (_, at) => makeVersion({ id: `e${from + at}`, revision }));
export const digests = (copy: MemoryShardCopy): string[] =>
  copy.versions.map(({ digest }) => digest.toString('hex'));
