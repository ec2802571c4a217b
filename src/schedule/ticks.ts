/**
 * The firings of one cron as a service lives through them: each a little later by a jitter that the seed
 * decides, and after downtime, a window or a pause once for all that were missed, or not at all.
 */
import { xxh64 } from '../lib/xxhash.ts';
import type { Cron } from './cron.ts';
import type { ScheduleOptions } from './schedule-options.ts';

export interface TicksOptions {
  readonly cron: Cron;
  /** A firing is delayed by up to this, but no more than half the interval. */
  readonly jitterMs: number;
  readonly seed: string;
  /** Whether firings that were missed are made up for, once. */
  readonly catchUp: boolean;
}

/** A firing that comes later than this after its time was missed. */
const lateMs = 60_000;

export type Firing = 'cron' | 'catch-up' | 'missed';

export class Ticks {
  readonly #options: TicksOptions;
  #nextMs: number;
  #lastMs: number | null;

  /** `lastMs` is the last firing before this start, null where there was none: then nothing was missed. */
  constructor(options: TicksOptions, startMs: number, lastMs: number | null) {
    this.#options = options;
    this.#lastMs = lastMs;
    const { cron, catchUp } = options;
    const missed = lastMs !== null && cron.next(lastMs) <= startMs;
    this.#nextMs = missed && catchUp ? cron.previous(startMs) : cron.next(startMs);
  }

  /** The last firing that was taken, by the cron's time; null for none. */
  get lastMs(): number | null {
    return this.#lastMs;
  }

  /** When the next firing is due, jitter included. */
  get nextAtMs(): number {
    return this.#nextMs + this.#jitterOf(this.#nextMs);
  }

  /** Time between the firings around the next one. */
  get intervalMs(): number {
    return this.#options.cron.next(this.#nextMs) - this.#nextMs;
  }

  /** The firing that is due, which then is over; null where none is. */
  take(nowMs: number): Firing | null {
    const dueMs = this.nextAtMs;
    if (nowMs < dueMs) return null;
    const { cron, catchUp } = this.#options;
    this.#lastMs = cron.previous(nowMs);
    this.#nextMs = cron.next(nowMs);
    if (nowMs - dueMs <= lateMs) return 'cron';
    return catchUp ? 'catch-up' : 'missed';
  }

  #jitterOf(tickMs: number): number {
    const { cron, jitterMs, seed } = this.#options;
    if (jitterMs === 0) return 0;
    return jitterOf(`${seed}/${tickMs}`, Math.min(jitterMs, (cron.next(tickMs) - tickMs) / 2));
  }
}

/** A delay below `ceilingMs`, always the same one for the same seed. */
export function jitterOf(seed: string, ceilingMs: number): number {
  // The upper 53 bits of the hash as a fraction.
  const fraction = Number(xxh64(seed) >> 11n) / 2 ** 53;
  return Math.floor(ceilingMs * fraction);
}

/** The firings of builds. */
export function buildTicks({ build, seed, catchUp }: ScheduleOptions, nowMs: number): Ticks {
  // What was missed by builds is made up for by building at start.
  return new Ticks({ cron: build.cron, jitterMs: 0, seed, catchUp }, nowMs, null);
}

/** The firings of rounds, the last of which was at `lastMs`. */
export function roundTicks(
  { round, seed, catchUp }: ScheduleOptions,
  nowMs: number,
  lastMs: number | null,
): Ticks {
  return new Ticks({ cron: round.cron, jitterMs: round.jitterMs, seed, catchUp }, nowMs, lastMs);
}
