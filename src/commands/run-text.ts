/** A run as one line for people, and where the endpoint has it. */
import type { RunResource } from '../admin/resources.ts';
import { formatDuration } from '../lib/duration.ts';

export function runPath(id: string): string {
  return `/v1/runs/${encodeURIComponent(id)}`;
}

export function readableRun(run: RunResource): string {
  const { id, kind, trigger, group, shard, entity, name, state, outcome, counts, progress, etaSeconds } = run;
  const what =
    entity ??
    `${group ?? 'all groups'}${shard === null ? '' : `/${shard}`}${name === null ? '' : ` ${name}`}`;
  const head = `${run.createdAt.slice(0, 19)}  ${id}  ${kind} of ${what} (${trigger}${run.dryRun ? ', dry run' : ''})`;
  if (state === 'waiting') return `${head}: waits (${run.waitReason})`;
  if (state === 'paused')
    return `${head}: paused, ${counts.differing} differing, ${counts.changed} changed so far`;
  if (state === 'running') {
    const eta = etaSeconds === null ? '' : `, ${formatDuration(etaSeconds * 1_000)} to go`;
    const { phase = 'begins', propertiesDone = 0, propertiesTotal = 0 } = progress ?? {};
    const done = propertiesTotal === 0 ? '' : ` ${propertiesDone} of ${propertiesTotal}`;
    return `${head}: ${phase}${done}${eta}`;
  }
  const why = run.reason === null ? '' : ` (${run.reason})`;
  const did = kind === 'build' ? '' : `, ${counts.differing} differing, ${counts.changed} changed`;
  return `${head}: ${outcome}${why}${did}`;
}
