import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { sourceDigest } from '../../../src/property/digest.ts';
import { DigestComposer } from '../../../src/property/tree-digest.ts';

const digests = Buffer.concat(
  Array.from({ length: 3_000 }, (_, position) => sourceDigest('é', BigInt(position))),
);

test('a source digest covers the text as UTF-8 and the delete time in decimal', () => {
  const expected = createHash('sha512').update('{"é":1}').update('1700000000000000009').digest();
  expect(sourceDigest('{"é":1}', 1_700_000_000_000_000_009n)).toEqual(expected);
  expect(sourceDigest('x', 0n)).toEqual(createHash('sha512').update('x0').digest());
});

test.each([0, 1, 65_534, 65_535, 65_536, 200_000])(
  'a source of %i bytes has the digest of its text',
  (size) => {
    const text = 'x'.repeat(size);
    for (const deleteTime of [0n, 1_700_000_000_000_000_009n]) {
      const bytes = sourceDigest(Buffer.from(text), deleteTime);
      expect(bytes).toEqual(createHash('sha512').update(`${text}${deleteTime}`).digest());
      expect(sourceDigest(text, deleteTime)).toEqual(bytes);
    }
  },
);

test('one by one and many at once compose alike, over the hex text', () => {
  const many = new DigestComposer();
  many.updateMany(digests.subarray(0, 64 * 1_500));
  many.updateMany(digests.subarray(64 * 1_500));
  const single = new DigestComposer();
  for (let offset = 0; offset < digests.length; offset += 64)
    single.update(digests.subarray(offset, offset + 64));
  const mixed = new DigestComposer();
  mixed.update(digests.subarray(0, 64));
  mixed.updateMany(digests.subarray(64, 64 * 90));
  for (let offset = 64 * 90; offset < digests.length; offset += 64)
    mixed.update(digests.subarray(offset, offset + 64));
  const expected = createHash('sha512').update(digests.toString('hex')).digest();
  expect(mixed.finish()).toEqual(expected);
  expect(many.finish()).toEqual(expected);
  expect(single.finish()).toEqual(expected);
});

test('nothing composes to nothing', () => {
  const composer = new DigestComposer();
  composer.updateMany(Buffer.alloc(0));
  expect(composer.finish().length).toBe(0);
});

test('what is no digest is a mistake', () => {
  expect(() => new DigestComposer().update(Buffer.alloc(63))).toThrow('64 bytes');
  expect(() => new DigestComposer().updateMany(Buffer.alloc(100))).toThrow('64 bytes');
});
