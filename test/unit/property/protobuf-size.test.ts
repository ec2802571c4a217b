import fc from 'fast-check';
import { expect, test } from 'vitest';
import { propertyBytes } from '../../../src/property/protobuf-size.ts';
import { parseSource } from '../../../src/property/source-json.ts';
import { arbitraryProperty } from '../../support/random-property.ts';
import { encodeProperty } from '../../support/encode-property.ts';

const seed = Number(process.env['TALLYSTICK_SEED'] ?? Date.now() % 2 ** 31);

const text =
  '{"metadata":{"group":"g","name":"n","createRevision":"1700000000000000001","modRevision":"1700000000000000010"},"id":"10","tags":[{"key":"k1","value":{"str":{"value":"v1"}}},{"key":"k2","value":{"int":{"value":"-5"}}}],"updatedAt":"2023-11-14T22:13:20.000000010Z"}';
const bytes =
  '0a1a0a016712016e208180a8b1e39fe7cb17288a80a8b1e39fe7cb17120231301a0c0a026b31120612040a0276311a130a026b32120d220b08fbffffffffffffffff0122080880e2cfaa06100a';

test('a message that BanyanDB wrote', () => {
  expect(encodeProperty(parseSource(text)).toString('hex')).toBe(bytes);
  expect(propertyBytes(parseSource(text))).toBe(bytes.length / 2);
});

test(`any property has the size it is encoded to (TALLYSTICK_SEED=${seed})`, () => {
  fc.assert(
    fc.property(arbitraryProperty, (property) => {
      expect(propertyBytes(property)).toBe(encodeProperty(property).length);
    }),
    { seed, numRuns: 1_000 },
  );
});

test('lengths at the borders of a varint', () => {
  for (const length of [126, 127, 128, 16_383, 16_384, 2_097_152]) {
    const property = { ...parseSource(text), id: 'é'.repeat(length / 2) };
    expect(propertyBytes(property)).toBe(encodeProperty(property).length);
  }
});
