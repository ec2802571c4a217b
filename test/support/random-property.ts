/** Arbitrary properties for random tests: every tag kind, int64 extremes, odd but well-formed text. */
import fc from 'fast-check';
import type { Property, TagValue, Timestamp } from '../../src/property/property.ts';

const text = fc.string({ unit: 'binary', maxLength: 12 });
const oddText = fc.oneof(
  text,
  fc.constantFrom('', ', ', '","', '\\"', '\u0000', '\u007f', '\u2028', '<&>é', '😀', '{"a":1, "b":2}'),
);
const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, -1n, 127n, 128n, 2n ** 49n, 2n ** 56n - 1n, 2n ** 56n, 2n ** 63n - 1n, -(2n ** 63n)),
);
const timestamp: fc.Arbitrary<Timestamp> = fc.record({
  seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
  nanos: fc.oneof(fc.nat(999_999_999), fc.constantFrom(0, 120_000_000, 1_000, 1)),
});
const tagValue: fc.Arbitrary<TagValue> = fc.oneof(
  fc.constantFrom<TagValue>({ kind: 'empty' }, { kind: 'null' }),
  fc.record({ kind: fc.constant('str' as const), value: oddText }),
  fc.record({ kind: fc.constant('strArray' as const), value: fc.array(oddText, { maxLength: 4 }) }),
  fc.record({ kind: fc.constant('int' as const), value: int64 }),
  fc.record({ kind: fc.constant('intArray' as const), value: fc.array(int64, { maxLength: 4 }) }),
  fc.record({
    kind: fc.constant('binaryData' as const),
    value: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({ kind: fc.constant('timestamp' as const), value: timestamp }),
);

export const arbitraryProperty: fc.Arbitrary<Property> = fc.record({
  group: oddText,
  name: oddText,
  id: oddText,
  metadataId: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  createRevision: int64,
  modRevision: int64,
  tags: fc.array(fc.record({ key: oddText, value: fc.option(tagValue) }), { maxLength: 6 }),
  updatedAt: fc.option(timestamp),
});
