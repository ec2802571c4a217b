/** What every verb that repairs has in common: its flags, and how changes and progress are told. */
import type { Version } from '../property/version.ts';
import { versionToJson } from '../repair/plan.ts';
import type { RepairChange, RepairProgress } from '../repair/report.ts';
import { type Command, wholeNumber } from './command.ts';

export interface RepairFlags {
  readonly dryRun?: boolean;
  readonly plan?: string;
  readonly confirm?: number;
}

/** Adds `--dry-run`, `--plan` and `--confirm`. */
export function addRepairFlags(command: Command): Command {
  return command
    .option('--dry-run', 'say what would change, and change nothing')
    .option(
      '--plan <file>',
      'with --dry-run write the plan there; without, carry that plan out where it still holds',
    )
    .option(
      '--confirm <count>',
      'allow up to this many live properties to be replaced',
      wholeNumber(0, Number.MAX_SAFE_INTEGER),
    );
}

/** A change as JSON and as a line of text. */
export function changeResult(change: RepairChange): [Record<string, unknown>, string] {
  const { result, group, shard, entity, place, before, after, reason } = change;
  return [
    {
      group,
      shard,
      entity,
      place,
      before: before && versionToJson(before),
      after: after && versionToJson(after),
      reason,
      result,
    },
    `${result.padEnd(7)} ${entity} at ${place}: ${readableVersion(before)} -> ${readableVersion(after)} (${reason})`,
  ];
}

function readableVersion(version: Version | null): string {
  if (version === null) return 'absent';
  return `${version.revision}${version.deleteTime === 0n ? '' : ` deleted ${version.deleteTime}`}`;
}

export function readableProgress(progress: RepairProgress): string {
  const { phase, group, shard, slotsDone, slotsTotal, entitiesDone, entitiesTotal } = progress;
  const of = `${phase} ${group}/${shard}`;
  if (phase === 'compare') return `${of}: ${slotsDone} of ${slotsTotal} slots, ${entitiesTotal} differing`;
  return phase === 'carry out' ? `${of}: ${entitiesDone} of ${entitiesTotal} entities` : of;
}
