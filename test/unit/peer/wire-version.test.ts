/** Versions as messages: they come back with the digest they should have, or with one that nobody takes. */
import { create, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { VersionSchema } from '../../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { keyBytesMax } from '../../../src/property/entity.ts';
import {
  checkKey,
  fromWireVersion,
  hexOf,
  toWireVersion,
  versionTooLarge,
  wireVersionBytes,
} from '../../../src/peer/wire-version.ts';
import { sourceDigest } from '../../../src/property/digest.ts';
import { EncodedVersion } from '../../../src/property/encoded-version.ts';
import { makeVersion } from '../../support/versions.ts';

const live = makeVersion({ id: 'é', revision: -(2n ** 63n), value: '日本' });
const deleted = makeVersion({ id: 'b', revision: 2n ** 63n - 1n, deleteTime: 2n ** 63n - 1n });
const badMessage = expect.objectContaining({ code: 'bad-message' });

test.each([live, deleted])('a version comes back, and its digest was computed: $revision', (version) => {
  const wire = toWireVersion(version);
  const received = fromWireVersion(wire);
  expect(received).toEqual(expect.objectContaining({ ...version }));
  expect(EncodedVersion.isDigested(received as never)).toBe(true);
  const bytes = toBinary(VersionSchema, wire).length;
  expect(wireVersionBytes(version)).toBeGreaterThanOrEqual(bytes);
  expect(wireVersionBytes(version)).toBeLessThan(bytes + 48);
});

test('a version whose digest is another keeps a wrong one', () => {
  const received = fromWireVersion({ ...toWireVersion(live), digestHead: 5n });
  expect(received?.digest).toHaveLength(64);
  expect(received?.digest.readBigUInt64LE(0)).toBe(5n);
  expect(received?.digest.equals(sourceDigest(live.source, 0n))).toBe(false);
  expect(EncodedVersion.isDigested(received as never)).toBe(false);
});

test('one without a source is none', () => {
  expect(fromWireVersion(create(VersionSchema, { key: live.key }))).toBe(null);
});

test('one whose source is no UTF-8 has no digest that fits, whatever is said of it', () => {
  const source = Buffer.from(live.source);
  source[source.indexOf('日')] = 0xff;
  const digestHead = sourceDigest(source, 0n).readBigUInt64LE(0);
  const received = fromWireVersion({ ...toWireVersion(live), source, digestHead });
  expect(EncodedVersion.isDigested(received as never)).toBe(false);
  expect(received?.digest.equals(sourceDigest(source, 0n))).toBe(false);
  expect(received?.digest.equals(sourceDigest(received.source, 0n))).toBe(false);
});

test('one of an impossible key or delete time is refused', () => {
  for (const key of [Buffer.alloc(0), Buffer.alloc(keyBytesMax + 1)]) {
    expect(() => checkKey(key)).toThrow(
      expect.objectContaining({ code: 'bad-message', details: { ceiling: keyBytesMax } }),
    );
    expect(() => fromWireVersion({ ...toWireVersion(live), key })).toThrow(badMessage);
  }
  checkKey(Buffer.alloc(1));
  checkKey(Buffer.alloc(keyBytesMax));
  expect(() => fromWireVersion({ ...toWireVersion(live), deleteTime: -1n })).toThrow(
    expect.objectContaining({ code: 'bad-message', details: { key: live.key.toString('hex') } }),
  );
});

test('what is too large is told with its entity and the ceiling; of a key the first bytes', () => {
  expect(versionTooLarge('g', live.key, 7)).toMatchObject({
    code: 'too-large',
    details: { entity: 'g/n/é', ceiling: 7 },
  });
  expect(hexOf(Buffer.alloc(100, 1))).toBe('01'.repeat(64));
});
