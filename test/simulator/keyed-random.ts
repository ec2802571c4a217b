/** Random numbers that depend on a seed and on what they are for, not on how many were drawn before. */
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';

/** FNV-1a over the UTF-16 units: spreads names well enough for choosing fates. */
export function keyedRandom(seed: number, key: string): SeededRandom {
  let hash = (0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1)) >>> 0;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193) >>> 0;
  return seededRandom(hash);
}
