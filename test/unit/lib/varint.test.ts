import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeSvarint, decodeUvarint, encodeSvarint, encodeUvarint } from '../../../src/lib/varint.ts';

const vectorsPath = join(import.meta.dirname, '../../golden/banyandb-repair-vectors.json');
const vectors = JSON.parse(readFileSync(vectorsPath, 'utf8')) as {
  uvarint: Record<string, string>;
  svarint: Record<string, string>;
};
const seed = Number(process.env['TALLYSTICK_SEED'] ?? Date.now() % 2 ** 31);

describe('uvarint', () => {
  test.each(Object.entries(vectors.uvarint))('%s is %s', (value, hex) => {
    expect(encodeUvarint(BigInt(value)).toString('hex')).toBe(hex);
    expect(decodeUvarint(Buffer.from(hex, 'hex'), 0)).toEqual({ value: BigInt(value), end: hex.length / 2 });
  });

  test.each([
    ['', 'cut'],
    ['80', 'cut'],
    ['ffffffffffffffffff', 'cut'],
    ['8000', 'too-long'],
    ['ffffffffffffffffff02', 'too-long'],
    ['ffffffffffffffffffff01', 'too-long'],
  ])('%j is %s', (hex, fault) => {
    expect(decodeUvarint(Buffer.from(hex, 'hex'), 0)).toBe(fault);
  });

  test('holds 2^64 - 1 and nothing else beyond int64', () => {
    const bytes = encodeUvarint(2n ** 64n - 1n);
    expect(bytes.toString('hex')).toBe('ffffffffffffffffff01');
    expect(decodeUvarint(bytes, 0)).toEqual({ value: 2n ** 64n - 1n, end: 10 });
    expect(() => encodeUvarint(2n ** 64n)).toThrow('assertion failed');
    expect(() => encodeUvarint(-1n)).toThrow('assertion failed');
  });
});

describe('svarint', () => {
  test.each(Object.entries(vectors.svarint))('%s is %s', (value, hex) => {
    expect(encodeSvarint(BigInt(value)).toString('hex')).toBe(hex);
    expect(decodeSvarint(Buffer.from(hex, 'hex'), 0)).toEqual({ value: BigInt(value), end: hex.length / 2 });
  });

  test('refuses what is no int64', () => {
    expect(() => encodeSvarint(2n ** 63n)).toThrow('assertion failed');
    expect(decodeSvarint(Buffer.from('80', 'hex'), 0)).toBe('cut');
  });

  test(`comes back wherever it stands (TALLYSTICK_SEED=${seed})`, () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.nat(5), (value, before) => {
        const encoded = encodeSvarint(value);
        const bytes = Buffer.concat([Buffer.alloc(before, 0xff), encoded, Buffer.from([0xff])]);
        expect(decodeSvarint(bytes, before)).toEqual({ value, end: before + encoded.length });
      }),
      { seed },
    );
  });
});
