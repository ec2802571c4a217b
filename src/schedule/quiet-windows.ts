/** Windows in which nothing is started by itself: each begins with a cron and lasts for a while. */
import type { Cron } from './cron.ts';

export interface QuietWindow {
  readonly start: Cron;
  readonly lastsMs: number;
}

/** When the windows that are open at `nowMs` have all ended; null where none is open. */
export function quietUntil(windows: readonly QuietWindow[], nowMs: number): number | null {
  let until: number | null = null;
  for (const { start, lastsMs } of windows) {
    const end = start.previous(nowMs) + lastsMs;
    if (end > nowMs && end > (until ?? 0)) until = end;
  }
  return until;
}
