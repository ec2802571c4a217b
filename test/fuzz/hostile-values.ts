/** Values that programs stumble over, and bytes that were changed. */
import type { SeededRandom } from '../support/seeded-random.ts';

/** Texts for wherever a name, a number or a path is asked for. */
const texts: readonly string[] = [
  '',
  '.',
  '..',
  '../../../../etc/passwd',
  '/etc/passwd',
  'keep',
  'keep/',
  'KEEP',
  '%2e%2e%2f',
  '%00',
  '%zz',
  'a\u0000b',
  'a\nb',
  'CON',
  'x'.repeat(300),
  'é',
  'e\u0301',
  '\u202e',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'undefined',
  'NaN',
  '-1',
  '0',
  '1',
  '1e999',
  '9007199254740993',
  '18446744073709551616',
  '-9223372036854775808',
  '0x10',
  '1.5',
  '[]',
  '{}',
  '$(id)',
  "' OR 1=1 --",
  '*',
  '💥',
  '\ud800',
];

const numbers: readonly number[] = [
  0,
  1,
  2,
  31,
  255,
  256,
  4_095,
  4_096,
  65_535,
  65_536,
  2 ** 31,
  2 ** 32 - 1,
];

export function hostileText(random: SeededRandom): string {
  if (random.chance(0.1)) return randomBytes(random, random.below(64)).toString('latin1');
  return random.pick(texts);
}

/** An unsigned integer of 32 bits, mostly one at a border. */
export function hostileNumber(random: SeededRandom): number {
  return random.chance(0.3) ? random.below(2 ** 32) : random.pick(numbers);
}

/** A signed integer of 64 bits. */
export function hostileBigint(random: SeededRandom): bigint {
  const bits = BigInt(hostileNumber(random)) * (random.chance(0.5) ? 1n : 2n ** 31n);
  return BigInt.asIntN(64, random.chance(0.2) ? -bits : bits);
}

export function randomBytes(random: SeededRandom, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

/** Changes bytes in a few places: flipped, cut out, repeated, put in, cut off. */
export function mutate(from: Buffer, random: SeededRandom): Buffer {
  let bytes = Buffer.from(from);
  for (let left = 1 + random.below(4); left > 0; left -= 1) {
    const at = random.below(bytes.length + 1);
    const length = 1 + random.below(random.chance(0.1) ? 256 : 8);
    const [before, touched, after] = [
      bytes.subarray(0, at),
      bytes.subarray(at, at + length),
      bytes.subarray(at + length),
    ];
    const changed = random.pick([
      () => [before, touched.map((byte) => byte ^ (1 << random.below(8))), after],
      () => [before, after],
      () => [before, touched, touched, after],
      () => [before, randomBytes(random, length), touched, after],
      () => [before, Buffer.alloc(touched.length, random.pick([0, 0x7f, 0x80, 0xff])), after],
      () => [before],
    ])();
    bytes = Buffer.concat(changed);
  }
  return bytes;
}

/** Cuts bytes into pieces, as a network does. */
export function pieces(bytes: Buffer, random: SeededRandom): Buffer[] {
  if (random.chance(0.7)) return [bytes];
  const at = random.below(bytes.length + 1);
  return [bytes.subarray(0, at), bytes.subarray(at)];
}
