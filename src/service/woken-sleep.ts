/** A sleep that can be cut short. Who is woken while awake does not fall asleep the next time, so that nothing is missed. */
import type { Clock } from '../lib/clock.ts';

export class WokenSleep {
  readonly #clock: Clock;
  #woken = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#woken.abort();
  }

  /** Ends after `delayMs`, when woken, or when the signal is aborted. */
  async sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    const woken = this.#woken.signal;
    await this.#clock.sleep(delayMs, AbortSignal.any([signal, woken])).catch((error: unknown) => {
      if (!woken.aborted && !signal.aborted) throw error;
    });
    if (woken.aborted) this.#woken = new AbortController();
  }
}
