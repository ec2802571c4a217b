/** How fast a node is pushed to: no faster than a rate, so that its own writers come first. */
import type { Clock } from '../lib/clock.ts';

/** Pushes that may go out at once after a pause: a twentieth of a second's. */
const burstShare = 0.05;

export class PushPace {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #nextMs: number | null = null;

  /** `perSecond` 0 for no limit. */
  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Resolves when the next push may go out. */
  async wait(signal?: AbortSignal): Promise<void> {
    if (this.#perSecond === 0) return;
    const now = this.#clock.monotonicMs();
    const burstMs = 1000 * burstShare;
    const due = Math.max(this.#nextMs ?? now, now - burstMs);
    this.#nextMs = due + 1000 / this.#perSecond;
    if (due > now) await this.#clock.sleep(due - now, signal);
  }
}
