/** Random numbers from a seed, which a failing test prints and TALLYSTICK_SEED sets. */

/** The seed of this run: TALLYSTICK_SEED, or one from the clock. */
export function testSeed(): number {
  const set = process.env['TALLYSTICK_SEED'];
  return set === undefined ? Date.now() % 1_000_000_007 : Number(set);
}

export interface SeededRandom {
  /** Integer from 0 to `end` - 1. */
  below(end: number): number;
  chance(share: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** A subset of at least `least` elements, in the order given. */
  subset<T>(from: readonly T[], least: number): T[];
}

/** mulberry32: 32 bits of state are plenty for choosing test steps. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number): number => Math.floor(next() * end);
  return {
    below,
    chance: (share) => next() < share,
    pick: <T>(from: readonly T[]): T => from[below(from.length)] as T,
    subset: (from, least) => {
      const left = [...from];
      const keep = least + below(from.length - least + 1);
      while (left.length > keep) left.splice(below(left.length), 1);
      return left;
    },
  };
}
