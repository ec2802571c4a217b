/** Random numbers that depend on a seed and on what they are for, not on how many were drawn before. */
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';

/** FNV-1a over the UTF-16 units, begun from the mixed seed and mixed again: seeds and names that are alike draw nothing alike. */
export function keyedRandom(seed: number, key: string): SeededRandom {
  let hash = mix(0x811c9dc5 ^ seed);
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return seededRandom(mix(hash));
}

/** The finalizer of MurmurHash3: every bit of the result depends on every bit given. */
function mix(bits: number): number {
  let mixed = bits;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
