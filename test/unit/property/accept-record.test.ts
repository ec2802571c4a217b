import { expect, test } from 'vitest';
import { sourceDigest } from '../../../src/property/digest.ts';
import { type LoadRecord, stampRecord } from '../../../src/property/record.ts';
import { spellProperty } from '../../../src/property/source-json.ts';
import { validateRecord } from '../../../src/property/validate-record.ts';

const metadata = { group: 'g', name: 'n', modRevision: '1700000000000000010' };
const source =
  '{"metadata":{"group":"g", "name":"n", "modRevision":"1700000000000000010"}, "id":"10", "tags":[{"key":"k"}]}';
const sha = sourceDigest(source, 5n).toString('hex');
const stored = { source, deleteTime: '5' };

function withTag(value: unknown): unknown {
  return { metadata, id: '10', tags: [{ key: 'k', value }] };
}

function goodRecord(json: unknown): LoadRecord {
  const validated = validateRecord(json);
  expect(validated).toHaveProperty('record');
  if (!('record' in validated)) throw new Error('unreachable');
  return validated.record;
}

test.each([
  ['AP/+', '00fffe'],
  ['AP_-', '00fffe'],
  ['AA==', '00'],
  ['AA', '00'],
  ['', ''],
])('binary %j', (text, hex) => {
  const record = goodRecord(withTag({ binaryData: text }));
  expect(record.property.tags[0]?.value).toEqual({ kind: 'binaryData', value: Buffer.from(hex, 'hex') });
});

test.each([
  ['2023-11-14T22:13:20Z', 1_700_000_000n, 0],
  ['2023-11-14t22:13:20.12z', 1_700_000_000n, 120_000_000],
  ['2023-11-15T00:13:20.000000001+02:00', 1_700_000_000n, 1],
  ['2023-11-14T20:43:20-01:30', 1_700_000_000n, 0],
  ['1969-12-31T23:59:59.5Z', -1n, 500_000_000],
  ['2024-02-29T00:00:00Z', 1_709_164_800n, 0],
  ['0001-01-01T00:00:00Z', -62_135_596_800n, 0],
  ['9999-12-31T23:59:59.999999999Z', 253_402_300_799n, 999_999_999],
])('time %s', (text, seconds, nanos) => {
  const record = goodRecord(withTag({ timestamp: text }));
  expect(record.property.tags[0]?.value).toEqual({ kind: 'timestamp', value: { seconds, nanos } });
});

test('a plain property without a revision is to be stamped', () => {
  for (const modRevision of [undefined, null, 0, '0']) {
    const json = { metadata: { group: 'g', name: 'n', modRevision }, id: 'a/b', tags: null };
    const record = goodRecord(JSON.parse(JSON.stringify(json)));
    expect(record).toMatchObject({
      stamped: false,
      deleteTime: 0n,
      createRevisionGiven: false,
      updatedAtGiven: false,
    });
    const at = { seconds: 1_700_000_000n, nanos: 10 };
    expect(
      stampRecord(record, { revision: 1_700_000_000_000_000_010n, previousCreateRevision: null }),
    ).toMatchObject({
      createRevision: 1_700_000_000_000_000_010n,
      modRevision: 1_700_000_000_000_000_010n,
      updatedAt: at,
    });
    expect(stampRecord(record, { revision: 9n, previousCreateRevision: 4n }).createRevision).toBe(4n);
  }
});

test('what was given is kept when a record is stamped', () => {
  const json = {
    metadata: { group: 'g', name: 'n', createRevision: 3 },
    id: '1',
    updatedAt: '2023-11-14T22:13:20Z',
  };
  const property = stampRecord(goodRecord(json), { revision: 9n, previousCreateRevision: 4n });
  expect(spellProperty(property, 'compact')).toBe(
    '{"metadata":{"group":"g","name":"n","createRevision":"3","modRevision":"9"},"id":"1","updatedAt":"2023-11-14T22:13:20Z"}',
  );
});

test('a record with its revision is completed from it, and is not stamped', () => {
  for (const json of [{ metadata, id: '1' }, { property: { metadata, id: '1' } }]) {
    const record = goodRecord(json);
    expect(record).toMatchObject({
      stamped: true,
      createRevisionGiven: false,
      updatedAtGiven: false,
      spelling: null,
    });
    expect(spellProperty(record.property, 'compact')).toBe(
      '{"metadata":{"group":"g","name":"n","createRevision":"1700000000000000010","modRevision":"1700000000000000010"},"id":"1","updatedAt":"2023-11-14T22:13:20.000000010Z"}',
    );
    expect(() => stampRecord(record, { revision: 9n, previousCreateRevision: null })).toThrow('assertion');
  }
});

test('a stored text is taken as it is, with what stands beside it checked', () => {
  const record = goodRecord({
    ...stored,
    sha: sha.toUpperCase(),
    id: 'g/n/10/1700000000000000010',
    timestamp: '1700000000000000010',
  });
  expect(record).toMatchObject({ stamped: true, deleteTime: 5n, spelling: 'spaced' });
  expect(spellProperty(record.property, 'spaced')).toBe(source);
  expect(goodRecord({ source, id: null, sha: null, timestamp: null, deleteTime: null }).deleteTime).toBe(0n);
});
