/** When shards will be visited, as far as can be told: by the cron, the queue, the time a visit takes, the windows. */
import type { Cron } from './cron.ts';
import { type QuietWindow, quietUntil } from './quiet-windows.ts';

export interface Visit {
  readonly atMs: number;
  /** Firings from now: 0 for the next one. */
  readonly firing: number;
}

export interface ForecastOptions {
  /** The next firing. */
  readonly firstAtMs: number;
  readonly cron: Cron;
  readonly shardsPerFiring: number | null;
  /** How long a visit takes on average; 0 where none has been made. */
  readonly visitMs: number;
  readonly windows: readonly QuietWindow[];
}

/** Firings that are reckoned one by one; further ones by the interval between the last of them. */
const firingsMax = 1_000;

/** Windows may follow each other; more in a row than this are taken for one without end. */
const windowsMax = 100;

/** The visit of each key, keyed by it; `keys` in the order in which they will be visited. */
export function forecastVisits(keys: readonly string[], options: ForecastOptions): Map<string, Visit> {
  const { firstAtMs, cron, shardsPerFiring, visitMs, windows } = options;
  const perFiring = shardsPerFiring ?? Math.max(1, keys.length);
  const firings: number[] = [];
  const visits = new Map<string, Visit>();
  // A visit cannot begin before the one before it has ended.
  let freeAtMs = 0;
  for (const [position, key] of keys.entries()) {
    const firing = Math.floor(position / perFiring);
    while (firings.length <= Math.min(firing, firingsMax)) firings.push(nextFiring(firings, firstAtMs, cron));
    const atMs = afterWindows(Math.max(freeAtMs, firingAt(firings, firing)), windows);
    visits.set(key, { atMs, firing });
    freeAtMs = atMs + visitMs;
  }
  return visits;
}

function nextFiring(firings: readonly number[], firstAtMs: number, cron: Cron): number {
  const last = firings.at(-1);
  return last === undefined ? firstAtMs : cron.next(last);
}

function firingAt(firings: readonly number[], firing: number): number {
  const known = firings[firing];
  if (known !== undefined) return known;
  const last = firings.at(-1) ?? 0;
  return last + (firing - firings.length + 1) * (last - (firings.at(-2) ?? last));
}

function afterWindows(atMs: number, windows: readonly QuietWindow[]): number {
  let time = atMs;
  for (let passed = 0; passed < windowsMax; passed += 1) {
    const until = quietUntil(windows, time);
    if (until === null) return time;
    time = until;
  }
  return Infinity;
}
