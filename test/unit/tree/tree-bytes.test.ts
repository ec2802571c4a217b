/** The bytes of a tree file's sections, each read as it was written and refused where a number of it cannot be. */
import { describe, expect, test } from 'vitest';
import { sourceDigest } from '../../../src/property/digest.ts';
import {
  decodeBlockHead,
  decodeFooter,
  decodeRootRecord,
  decodeSlotRecord,
  decodeTrailer,
  encodeBlockHead,
  encodeFooter,
  encodeRootRecord,
  encodeSlotRecord,
  type RootRecord,
  sectionEntryBytes,
  sectionsMax,
  slotRecordBytes,
  trailerBytes,
} from '../../../src/tree/tree-format.ts';
import { checkFormatVersion, decodeHeader, encodeHeader } from '../../../src/tree/tree-header.ts';
import { madeHeader } from '../../support/made-tree.ts';

const place = { path: 'x.tree', offset: 0 };
const digest = sourceDigest('any', 0n);
const damaged = expect.objectContaining({ code: 'damaged-file' });
const newer = expect.objectContaining({ code: 'newer-format' });

test('a block head', () => {
  const block = Buffer.alloc(40, 7);
  encodeBlockHead(block, 65_535, 3);
  const offset = Buffer.concat([Buffer.alloc(5), block]);
  expect(decodeBlockHead(offset, 5)).toEqual({
    ...{ slot: 65_535, payloadBytes: 24, leaves: 3 },
    checksum: block.readUInt32LE(12),
  });
});

test('a slot record', () => {
  const record = { slot: 9, leaves: 2 ** 40, offset: 2 ** 41, bytes: 2 ** 42, generation: 2n ** 63n, digest };
  const bytes = Buffer.alloc(7 + slotRecordBytes);
  encodeSlotRecord(bytes, 7, record);
  expect(decodeSlotRecord(bytes, 7, place)).toEqual(record);
  for (const at of [4, 12, 20]) {
    const changed = Buffer.from(bytes);
    changed.writeBigUInt64LE(2n ** 53n, 7 + at);
    expect(() => decodeSlotRecord(changed, 7, place), `${at}`).toThrow(damaged);
  }
});

describe('a root record', () => {
  const full: RootRecord = { root: digest, leaves: 5, liveLeaves: 4, slots: 3 };
  const none: RootRecord = { root: Buffer.alloc(0), leaves: 0, liveLeaves: 0, slots: 0 };

  test.each([
    full,
    none,
    { ...full, liveLeaves: 0 },
    { ...full, liveLeaves: 5, slots: 5 },
    { ...full, leaves: 100_000, slots: 65_536 },
  ])('%o', (record) => {
    expect(decodeRootRecord(encodeRootRecord(record), place)).toEqual(record);
  });

  test.each<[string, RootRecord]>([
    ['a root of 63 bytes', { ...full, root: digest.subarray(1) }],
    ['a root over no leaves', { ...full, leaves: 0, liveLeaves: 0 }],
    ['a root over no slots', { ...full, slots: 0 }],
    ['leaves without a root', { ...full, root: Buffer.alloc(0) }],
    ['slots without a root', { ...none, slots: 1 }],
    ['leaves alone without a root', { ...none, leaves: 1 }],
    ['more live leaves than leaves', { ...full, liveLeaves: 6 }],
    ['more slots than leaves', { ...full, slots: 6 }],
    ['more slots than there can be', { ...full, leaves: 100_000, slots: 65_537 }],
  ])('with %s is damaged', (_, record) => {
    expect(() => decodeRootRecord(encodeRootRecord(record), place)).toThrow(damaged);
  });
});

describe('a footer', () => {
  const entries = [1, 2, 3, 4].map((type, at) => ({ type, offset: at * 100, bytes: 100, checksum: at }));
  const footer = encodeFooter(entries);
  const fileBytes = 400 + footer.length;
  const trailer = footer.subarray(-trailerBytes);

  test('is found from its end and read', () => {
    expect(decodeTrailer(trailer, fileBytes, place)).toBe(4);
    expect(decodeFooter(footer, { ...place, offset: 400 })).toEqual(entries);
  });

  test.each<[string, number, (bytes: Buffer) => void]>([
    ['of another file size', fileBytes + 1, () => undefined],
    ['of no tree file', fileBytes, (bytes) => bytes.write('TALLYENE', 16)],
    ['of three sections', fileBytes, (bytes) => bytes.writeUInt32LE(3, 0)],
    ['of more sections than can be', fileBytes, (bytes) => bytes.writeUInt32LE(sectionsMax + 1, 0)],
    ['of more sections than fit', fileBytes, (bytes) => bytes.writeUInt32LE(sectionsMax, 0)],
  ])('%s is damaged', (_, size, change) => {
    const bytes = Buffer.from(trailer);
    change(bytes);
    expect(() => decodeTrailer(bytes, size, place)).toThrow(damaged);
  });

  test('that just fits is read', () => {
    const least = 4 * sectionEntryBytes + trailerBytes;
    const bytes = Buffer.from(trailer);
    bytes.writeBigUInt64LE(BigInt(least), 4);
    expect(decodeTrailer(bytes, least, place)).toBe(4);
    bytes.writeBigUInt64LE(BigInt(least - 1), 4);
    expect(() => decodeTrailer(bytes, least - 1, place)).toThrow(damaged);
  });

  test.each<[string, typeof entries, number]>([
    ['with a gap', entries.map((entry, at) => ({ ...entry, offset: at === 2 ? 201 : entry.offset })), 400],
    ['that begins late', entries.map((entry) => ({ ...entry, offset: entry.offset + 1 })), 401],
    ['behind more than its sections', entries, 401],
  ])('%s is damaged', (_, changed, offset) => {
    expect(() => decodeFooter(encodeFooter(changed), { ...place, offset })).toThrow(damaged);
  });

  test.each([4, 12])('with a number at %d that cannot be is damaged', (at) => {
    const huge = entries.map((entry) => ({
      ...entry,
      ...(at === 4 ? { offset: 2 ** 53 } : { bytes: 2 ** 53 }),
    }));
    expect(() => decodeFooter(encodeFooter(huge), { ...place, offset: 400 })).toThrow(damaged);
  });

  test('of other bytes than its checksum is of is damaged', () => {
    const bytes = Buffer.from(footer);
    bytes[0] = 9;
    expect(() => decodeFooter(bytes, { ...place, offset: 400 })).toThrow(damaged);
  });
});

describe('a header', () => {
  const head = encodeHeader(madeHeader);
  const json = JSON.parse(head.toString('utf8', 16)) as Record<string, unknown>;

  /** The header with other JSON. */
  function headerOf(value: unknown): Buffer {
    const text = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
    const bytes = Buffer.concat([head.subarray(0, 16), text]);
    bytes.writeUInt32LE(text.length, 12);
    return bytes;
  }

  test('comes back, at the borders of its numbers too', () => {
    for (const header of [
      madeHeader,
      { ...madeHeader, generation: 2n ** 64n - 1n, spelling: 'spaced' as const, shard: 0, builtAtMs: 0 },
      { ...madeHeader, shards: 4_096, slots: 65_536, watermark: { sequence: 0n, token: '' } },
    ]) {
      expect(decodeHeader(encodeHeader(header), place)).toEqual(header);
    }
  });

  test.each<[string, Record<string, unknown>]>([
    ['no group', { group: undefined }],
    ['a shard that is no number', { shard: '0' }],
    ['half a shard', { shard: 0.5 }],
    ['a negative shard', { shard: -1 }],
    ['no shard count', { shards: null }],
    ['shard count 0', { shards: 0 }],
    ['no slot count', { slotScheme: { hash: 'xxh64', seed: '0' } }],
    ['an odd slot count', { slotScheme: { hash: 'xxh64', seed: '0', slots: 3 } }],
    ['no slot scheme', { slotScheme: null }],
    ['a hash that is no text', { slotScheme: { hash: 1, seed: '0', slots: 4 } }],
    ['a seed that is no text', { slotScheme: { hash: 'xxh64', seed: 0, slots: 4 } }],
    ['another spelling', { spelling: 'loud' }],
    ['no generation', { generation: 7 }],
    ['a generation of words', { generation: 'seven' }],
    ['a generation beyond 64 bits', { generation: '18446744073709551616' }],
    ['a generation of many digits', { generation: '0'.repeat(21) }],
    ['no watermark', { watermark: 'x' }],
    ['a sequence that is no text', { watermark: { sequence: 1, token: '' } }],
    ['a sequence with a sign', { watermark: { sequence: '-1', token: '' } }],
    ['a token that is no text', { watermark: { sequence: '1', token: 1 } }],
    ['no time', { builtAtMs: 'now' }],
  ])('with %s is damaged', (_, change) => {
    expect(() => decodeHeader(headerOf({ ...json, ...change }), place)).toThrow(damaged);
  });

  test.each([
    ['another hash', { hash: 'sha1', seed: '0', slots: 4 }],
    ['a seed', { hash: 'xxh64', seed: '1', slots: 4 }],
  ])('with %s is of a later version', (_, slotScheme) => {
    expect(() => decodeHeader(headerOf({ ...json, slotScheme }), place)).toThrow(newer);
  });

  test.each([
    ['no JSON', '{'],
    ['null', 'null'],
    ['a text', '"x"'],
    ['nothing', ''],
  ])('of %s is damaged', (_, text) => {
    expect(() => decodeHeader(headerOf(text), place)).toThrow(damaged);
  });

  test('of a wrong beginning, length or size is damaged', () => {
    const other = Buffer.from(head);
    other[0] = 0;
    const longer = Buffer.concat([head, Buffer.from(' ')]);
    const empty = head.subarray(0, 15);
    const large = headerOf(JSON.stringify(json).padEnd(16 * 1_024 - 15));
    for (const bytes of [other, longer, empty, large])
      expect(() => decodeHeader(bytes, place)).toThrow(damaged);
    expect(decodeHeader(headerOf(JSON.stringify(json).padEnd(16 * 1_024 - 16)), place)).toEqual(madeHeader);
  });

  test('of another format version is refused by name', () => {
    checkFormatVersion(1, place);
    for (const version of [2, 0xffff]) expect(() => checkFormatVersion(version, place)).toThrow(newer);
    for (const version of [0, 0x1_0000]) expect(() => checkFormatVersion(version, place)).toThrow(damaged);
    const later = Buffer.from(head);
    later.writeUInt32LE(2, 8);
    expect(() => decodeHeader(later, place)).toThrow(newer);
  });
});
