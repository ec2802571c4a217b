/**
 * How fast a node is pushed to: no faster than a rate, and slower while the node is busy with its own work. Whether it is
 * shows in what it takes for the slow ones of its pushes, against the quick ones lately: a write of its own that takes
 * processors and disk at the same time holds up the pushes it meets and not those between. So the pace is halved while
 * they lie far apart, and grows bit by bit while they do not.
 */
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';

/** Pushes that may go out at once after a pause: a twentieth of a second's. */
const burstShare = 0.05;

/** Pushes that are judged together: ten of them are slow ones. */
const spanPushes = 100;

/** Nine of ten pushes of a span take at least as long as its quick ones, one of ten as long as its slow ones. */
const quickShare = 0.1;
const slowShare = 0.9;

/**
 * How many times as long the slow ones take where it is busy. Measured on a node without other work at 50 and 100 pushes
 * a second: 2.6 to 3.2 times; with ten writes a second beside them, or pushed to as fast as it could: 4.7 to 7.6.
 */
const busyFactor = 4;

/** Milliseconds: pushes that take no longer hold up nobody, however unlike they are. */
const busyLeastMs = 5;

/**
 * It is never slower than this share of the limit, so that a round comes to its end. It begins with it. Measured on two
 * cores with ten writes a second and nothing else: half of them took 1.5 times as long as undisturbed beside 50 pushes a
 * second, and 1.1 times beside 20.
 */
const leastShare = 0.1;

/** By which share of the limit it grows with each span. */
const growthShare = 0.1;

/** For how long quick ones are remembered, at least: a node that holds more takes longer. */
const rememberedMs = 30_000;

export class PushPace {
  readonly #clock: Clock;
  readonly #most: number;
  #perSecond: number;
  #nextMs: number | null = null;
  #held = 0;
  #holding = false;
  #tookMs: number[] = [];
  #streams = 0;
  /** The quickest of the quick ones: in the time before {@link #sinceMs}, and since then. */
  #quickest: readonly [number, number] = [Infinity, Infinity];
  #sinceMs = 0;

  /** `perSecond` 0 for as fast as the node takes them, whatever else it does. */
  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#most = perSecond;
    this.#perSecond = leastShare * perSecond;
  }

  /** Pushes a second that may go out at present; 0 for no limit. */
  get perSecond(): number {
    return this.#perSecond;
  }

  /** Pushes so far that could have gone out sooner. */
  get held(): number {
    return this.#held;
  }

  /** Whether a push may go out now; then it counts as sent. */
  take(): boolean {
    if (this.#most === 0) return true;
    const now = this.#clock.monotonicMs();
    const due = Math.max(this.#nextMs ?? now, now - 1000 * burstShare);
    if (due > now) {
      this.#holding = true;
      return false;
    }
    if (this.#holding) this.#held++;
    this.#holding = false;
    this.#nextMs = due + 1000 / this.#perSecond;
    return true;
  }

  /** Resolves when the next push may go out. */
  async wait(signal?: AbortSignal): Promise<void> {
    const now = this.#clock.monotonicMs();
    const delayMs = (this.#nextMs ?? now) - now;
    if (delayMs > 0) await this.#clock.sleep(delayMs, signal);
  }

  /** Tells over how many streams it is pushed from now on: over more of them each push takes longer. */
  over(streams: number): void {
    if (streams === this.#streams) return;
    this.#streams = streams;
    this.#tookMs = [];
    this.#quickest = [Infinity, Infinity];
    this.#sinceMs = this.#clock.monotonicMs();
  }

  /** Tells what the node took for one push. */
  took(elapsedMs: number): void {
    assert(elapsedMs >= 0, 'a push takes time');
    this.#tookMs.push(elapsedMs);
    if (this.#tookMs.length < spanPushes) return;
    const sorted = this.#tookMs.sort((a, b) => a - b);
    this.#tookMs = [];
    const most = this.#most;
    const next = this.#isBusy(sorted) ? this.#perSecond / 2 : this.#perSecond + growthShare * most;
    this.#perSecond = Math.min(most, Math.max(leastShare * most, next));
  }

  #isBusy(ascending: readonly number[]): boolean {
    const quick = ascending[spanPushes * quickShare] ?? 0;
    const slow = ascending[spanPushes * slowShare] ?? 0;
    const now = this.#clock.monotonicMs();
    const [before, since] = this.#quickest;
    const lately = now - this.#sinceMs < rememberedMs;
    this.#quickest = lately ? [before, Math.min(since, quick)] : [since, quick];
    if (!lately) this.#sinceMs = now;
    return slow > Math.max(busyLeastMs, busyFactor * Math.min(...this.#quickest));
  }
}
