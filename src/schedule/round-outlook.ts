/** When a shard will be visited next, and why not now. */
import type { Visit } from './forecast.ts';
import { noticedVisitAtMs } from './noticed-difference.ts';
import type { ScheduleOptions, ShardOutlook } from './schedule-options.ts';
import type { ShardState } from './shard-state.ts';
import type { WaitReason } from './wait-reasons.ts';

export interface RoundOutlookContext {
  /** Of the forecast; undefined where there is none. */
  readonly visit: Visit | undefined;
  /** Why nothing is started at all; null where that is not so. */
  readonly held: WaitReason | null;
  readonly options: ScheduleOptions;
  readonly nowMs: number;
}

export function roundOutlook(
  state: ShardState,
  { visit, held, options, nowMs }: RoundOutlookContext,
): Pick<ShardOutlook, 'nextRoundAtMs' | 'roundWaits'> {
  const firedAtMs = visit?.atMs ?? Infinity;
  const noticedAtMs = noticedVisitAtMs(state, options) ?? Infinity;
  const atMs = Math.max(nowMs, Math.min(firedAtMs, noticedAtMs));
  const nextRoundAtMs = atMs === Infinity ? null : atMs;
  const waits = (roundWaits: WaitReason) => ({ nextRoundAtMs, roundWaits });
  if (state.visiting) return waits('running');
  if (options.round.off) return waits('off');
  if (held !== null) return waits(held);
  if (noticedAtMs < firedAtMs) return waits('differs');
  return waits((visit?.firing ?? 0) > 0 ? 'older-first' : 'not-due');
}
