/** How the changes and the progress of a repair are told, by every verb that repairs. */
import { toHex } from '../lib/bytes.ts';
import type { Version } from '../property/version.ts';
import type { RepairChange, RepairProgress } from '../repair/report.ts';

/** A change as JSON and as a line of text. */
export function changeResult(change: RepairChange): [Record<string, unknown>, string] {
  const { result, group, shard, entity, place, before, after, reason } = change;
  return [
    { group, shard, entity, place, before: versionJson(before), after: versionJson(after), reason, result },
    `${result.padEnd(7)} ${entity} at ${place}: ${readableVersion(before)} -> ${readableVersion(after)} (${reason})`,
  ];
}

function versionJson(version: Version | null): Record<string, unknown> | null {
  if (version === null) return null;
  return { revision: version.revision, deleteTime: version.deleteTime, digest: toHex(version.digest) };
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
