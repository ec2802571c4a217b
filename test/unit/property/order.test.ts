import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBytes } from '../../../src/lib/bytes.ts';
import {
  type Entity,
  entityKey,
  joinEntity,
  namePrefix,
  namePrefixEnd,
  parseEntityKey,
  splitEntity,
} from '../../../src/property/entity.ts';
import { compareVersions, packVersion, unpackVersion, type Version } from '../../../src/property/version.ts';

const seed = Number(process.env['TALLYSTICK_SEED'] ?? Date.now() % 2 ** 31);

// Few values, so that ties in the earlier parts are common.
const int64 = fc.oneof(
  fc.constantFrom(0n, 1n, -1n, 255n, 256n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const version: fc.Arbitrary<Version> = fc.record({
  revision: int64,
  deleteTime: int64,
  digest: fc
    .tuple(fc.nat(63), fc.constantFrom(0, 1, 255))
    .map(([at, byte]) => Buffer.alloc(64).fill(byte, at)),
});
const oddName = fc.oneof(
  fc.string({
    unit: fc.constantFrom('a', '-', '/', ' ', '\u0000', '\u0001', '\u0002', '\uffff', '😀'),
    minLength: 1,
    maxLength: 4,
  }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }),
);
const entity: fc.Arbitrary<Entity> = fc.record({ group: fc.constant('g'), name: oddName, id: oddName });

const sign = (value: number) => Math.sign(value);

test(`packed versions order as versions do, and come back (TALLYSTICK_SEED=${seed})`, () => {
  fc.assert(
    fc.property(version, version, (a, b) => {
      expect(sign(compareBytes(packVersion(a), packVersion(b)))).toBe(sign(compareVersions(a, b)));
      expect(compareVersions(a, b)).toBe(-compareVersions(b, a) + 0);
      const padded = Buffer.concat([Buffer.alloc(3), packVersion(a)]);
      expect(unpackVersion(padded, 3)).toEqual(a);
    }),
    { seed, numRuns: 3_000 },
  );
});

test('a version whose digest is no digest is never packed', () => {
  const cut = { revision: 1n, deleteTime: 0n, digest: Buffer.alloc(63) };
  expect(() => packVersion(cut)).toThrow('64 bytes');
});

test('the total order: revision, then delete time, then digest', () => {
  const of = (revision: bigint, deleteTime: bigint, byte: number): Version => {
    return { revision, deleteTime, digest: Buffer.alloc(64, byte) };
  };
  const ascending = [
    of(-1n, 9n, 9),
    of(1n, 0n, 255),
    of(1n, 5n, 0),
    of(1n, 5n, 200),
    of(1n, 6n, 0),
    of(2n, 0n, 0),
  ];
  const shuffled = [3, 0, 5, 1, 4, 2].map((position) => ascending[position]!);
  expect(shuffled.toSorted(compareVersions)).toEqual(ascending);
});

test(`entity keys order as (name, id) do by bytes, and come back (TALLYSTICK_SEED=${seed})`, () => {
  fc.assert(
    fc.property(entity, entity, (a, b) => {
      const byName = compareBytes(Buffer.from(a.name), Buffer.from(b.name));
      const byTuple = byName === 0 ? compareBytes(Buffer.from(a.id), Buffer.from(b.id)) : byName;
      expect(sign(compareBytes(entityKey(a), entityKey(b)))).toBe(sign(byTuple));
      expect(parseEntityKey('g', entityKey(a))).toEqual(a);
      const inRange =
        compareBytes(entityKey(b), namePrefix(a.name)) >= 0 &&
        compareBytes(entityKey(b), namePrefixEnd(a.name)) < 0;
      expect(inRange).toBe(a.name === b.name);
    }),
    { seed, numRuns: 3_000 },
  );
});

test.each([
  ['g/n/1', { group: 'g', name: 'n', id: '1' }],
  ['g/n/a/b/', { group: 'g', name: 'n', id: 'a/b/' }],
  ['g/n//', { group: 'g', name: 'n', id: '/' }],
])('%s splits at the first two slashes', (text, parts) => {
  expect(splitEntity(text)).toEqual(parts);
  expect(joinEntity(parts)).toBe(text);
});

test.each(['', 'g', 'g/n', 'g/n/', '/n/1', 'g//1'])('%j is no entity', (text) => {
  expect(() => splitEntity(text)).toThrow(expect.objectContaining({ code: 'bad-argument' }));
});

test.each(['', '00', '6e', '6e00', '0031'])('the bytes %s are no entity key', (hex) => {
  expect(() => parseEntityKey('g', Buffer.from(hex, 'hex'))).toThrow(
    expect.objectContaining({ code: 'bad-message' }),
  );
});
