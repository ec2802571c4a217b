/**
 * How many streams push to a node at once. A node takes the pushes of one stream one by one and waits for its disk with
 * each, so some more streams are quicker, until they only add merging in it. How many that is depends on the node and on
 * what else it does; so it is tried: as long as twice as many are quicker by a margin there are twice as many, else half,
 * and after a while it is tried anew from half. Every stream has the node build its tree once more at the end, so no
 * stream is added for less than that takes. Where no pace holds the pushes it begins with as many as may pay off, since
 * trying takes as long as a small fill.
 */
import { assert } from '../lib/assert.ts';

/** A power of two. Measured: 318 pushes a second with 8, 118 with 32. */
export const pushStreamsMax = 8;

/** How much quicker twice as many must be: more than measurements of equal ones differ by chance. */
const margin = 1.1;

/** Pushing that is measured before anything is decided: some hundred pushes. */
const spanMs = 1_500;

/** Pushing before it is tried anew: trying costs a span or two. */
const holdMs = 30_000;

/** Where more than this share of the pushes are held by their pace, more streams change nothing. */
const heldShare = 0.5;

/**
 * The share of the time left that twice as many streams may be hoped to save, when they are not tried yet. Measured on an
 * emptied node of two cores: 185, 220, 290 and 345 pushes a second with 1, 2, 4 and 8.
 */
const hopedShare = 0.25;

/** Pushes a second over one stream, before any are measured. */
const supposedRate = 200;

/** What a node takes to build a tree of so many: 1.7 s for 10,000, 150 s for 100,000, and it copies its database first. */
function buildMs(properties: number): number {
  return 100 + 15e-6 * properties ** 2;
}

export interface PushWidthOptions {
  /** Pushes that are to come; 0 where nobody knows: then one stream has to do. */
  readonly expected: number;
  /** What the node has of this shard before. */
  readonly properties: number;
  /** Whether a pace holds the pushes. */
  readonly paced: boolean;
}

export class PushWidth {
  readonly #options: PushWidthOptions;
  #streams = 1;
  /** Most so far: each of them has the node build its tree at the end, used or not. */
  #opened = 1;
  #left: number;
  #pushes = 0;
  #elapsedMs = 0;
  #held = 0;
  /** Pushes a second with half as many streams; null where those were not measured. */
  #halfRate: number | null = null;
  #heldMs = 0;

  constructor(options: PushWidthOptions) {
    this.#options = options;
    this.#left = options.expected;
    while (!options.paced && this.#mayPay(supposedRate)) this.#move(2 * this.#streams, null);
  }

  /** From 1 to {@link pushStreamsMax}. */
  get streams(): number {
    return this.#streams;
  }

  /** Tells how long pushes took over {@link streams} streams, and how many of them were held by their pace. */
  took(pushes: number, elapsedMs: number, held: number): void {
    assert(held >= 0 && held <= pushes && elapsedMs >= 0, 'pushes take time');
    this.#left = Math.max(0, this.#left - pushes);
    if (this.#heldMs > 0) {
      this.#heldMs -= elapsedMs;
      if (this.#heldMs <= 0) this.#move(Math.max(1, this.#streams / 2), null);
      return;
    }
    this.#pushes += pushes;
    this.#elapsedMs += elapsedMs;
    this.#held += held;
    if (this.#elapsedMs < spanMs) return;
    const rate = (1000 * this.#pushes) / this.#elapsedMs;
    if (this.#halfRate !== null && rate < margin * this.#halfRate) this.#hold(this.#streams / 2);
    else if (this.#mayDouble(rate)) this.#move(this.#streams * 2, rate);
    else this.#hold(this.#streams);
  }

  #mayDouble(rate: number): boolean {
    return this.#held <= heldShare * this.#pushes && this.#mayPay(rate);
  }

  /** Whether twice as many may save more than what they have the node build. */
  #mayPay(rate: number): boolean {
    const { properties, expected } = this.#options;
    if (2 * this.#streams > pushStreamsMax) return false;
    const savedMs = hopedShare * ((1000 * this.#left) / rate);
    const added = Math.max(0, 2 * this.#streams - this.#opened);
    return savedMs > added * buildMs(properties + expected);
  }

  #move(streams: number, halfRate: number | null): void {
    this.#streams = streams;
    this.#opened = Math.max(this.#opened, streams);
    this.#halfRate = halfRate;
    this.#pushes = 0;
    this.#elapsedMs = 0;
    this.#held = 0;
  }

  #hold(streams: number): void {
    this.#move(streams, null);
    this.#heldMs = holdMs;
  }
}
