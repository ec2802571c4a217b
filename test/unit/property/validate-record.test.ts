import { describe, expect, test } from 'vitest';
import { sourceDigest } from '../../../src/property/digest.ts';
import { validateRecord } from '../../../src/property/validate-record.ts';

const metadata = { group: 'g', name: 'n', modRevision: '1700000000000000010' };
const source =
  '{"metadata":{"group":"g", "name":"n", "modRevision":"1700000000000000010"}, "id":"10", "tags":[{"key":"k"}]}';
const sha = sourceDigest(source, 5n).toString('hex');
const stored = { source, deleteTime: '5' };

function withTag(value: unknown): unknown {
  return { metadata, id: '10', tags: [{ key: 'k', value }] };
}

function problemsOf(json: unknown): [string, unknown][] {
  const validated = validateRecord(json);
  return 'problems' in validated ? validated.problems.map(({ field, value }) => [field, value]) : [];
}

const lone = 'a\ud800';
const long = 'x'.repeat(9_000);

// Every rule, with the one problem it gives: field and value.
const rules: [string, unknown, string, unknown][] = [
  ['no object', 5, '', 5],
  ['an array', [1], '', [1]],
  ['null', null, '', null],
  ['no metadata', { id: '1' }, 'metadata', null],
  ['metadata no object', { metadata: 'g', id: '1' }, 'metadata', 'g'],
  ['unknown member', { metadata, id: '1', extra: 1 }, 'extra', 1],
  ['unknown member of metadata', { metadata: { ...metadata, Group: 'g' }, id: '1' }, 'metadata.Group', 'g'],
  [
    '__proto__ is a member like others',
    JSON.parse('{"metadata":{"group":"g","name":"n"},"id":"1","__proto__":{}}'),
    '__proto__',
    {},
  ],
  ['delete time beside a plain property', { metadata, id: '1', deleteTime: '0' }, 'deleteTime', '0'],
  ['no group', { metadata: { name: 'n' }, id: '1' }, 'metadata.group', null],
  ['an empty tag key', { metadata, id: '1', tags: [{ key: '' }] }, 'tags[0].key', ''],
  ['group null', { metadata: { name: 'n', group: null }, id: '1' }, 'metadata.group', null],
  ['group no string', { metadata: { name: 'n', group: 1 }, id: '1' }, 'metadata.group', 1],
  ['group climbs out', { metadata: { name: 'n', group: '..' }, id: '1' }, 'metadata.group', '..'],
  ['group with slash', { metadata: { name: 'n', group: 'a/b' }, id: '1' }, 'metadata.group', 'a/b'],
  ['no name', { metadata: { group: 'g' }, id: '1' }, 'metadata.name', null],
  ['empty group', { metadata: { group: '', name: 'n' }, id: '1' }, 'metadata.group', ''],
  ['empty name', { metadata: { group: 'g', name: '' }, id: '1' }, 'metadata.name', ''],
  ['name with slash', { metadata: { group: 'g', name: 'a/b' }, id: '1' }, 'metadata.name', 'a/b'],
  ['name with lone surrogate', { metadata: { group: 'g', name: lone }, id: '1' }, 'metadata.name', lone],
  ['no id', { metadata }, 'id', null],
  ['empty id', { metadata, id: '' }, 'id', ''],
  ['id no string', { metadata, id: 10 }, 'id', 10],
  ['id with lone surrogate', { metadata, id: lone }, 'id', lone],
  ['entity too large', { metadata, id: long }, 'id', `g/n/${'x'.repeat(196)}…`],
  ['metadata.id negative', { metadata: { ...metadata, id: -1 }, id: '1' }, 'metadata.id', -1],
  ['metadata.id over 32 bits', { metadata: { ...metadata, id: 2 ** 32 }, id: '1' }, 'metadata.id', 2 ** 32],
  [
    'modRevision negative',
    { metadata: { ...metadata, modRevision: '-1' }, id: '1' },
    'metadata.modRevision',
    '-1',
  ],
  [
    'modRevision unsafe',
    { metadata: { ...metadata, modRevision: 2 ** 60 }, id: '1' },
    'metadata.modRevision',
    2 ** 60,
  ],
  [
    'modRevision over int64',
    { metadata: { ...metadata, modRevision: '9223372036854775808' }, id: '1' },
    'metadata.modRevision',
    '9223372036854775808',
  ],
  [
    'createRevision no number',
    { metadata: { ...metadata, createRevision: '1e3' }, id: '1' },
    'metadata.createRevision',
    '1e3',
  ],
  ['updatedAt no time', { metadata, id: '1', updatedAt: 'now' }, 'updatedAt', 'now'],
  ['tags no array', { metadata, id: '1', tags: { k: 1 } }, 'tags', { k: 1 }],
  ['tag no object', { metadata, id: '1', tags: ['k'] }, 'tags[0]', 'k'],
  ['tag without key', { metadata, id: '1', tags: [{ value: {} }] }, 'tags[0].key', null],
  ['tag key no string', { metadata, id: '1', tags: [{ key: 1 }] }, 'tags[0].key', 1],
  ['tag with unknown member', { metadata, id: '1', tags: [{ key: 'k', val: 1 }] }, 'tags[0].val', 1],
  ['value null', withTag(null), 'tags[0].value', null],
  ['value no object', withTag('a'), 'tags[0].value', 'a'],
  ['value of unknown kind', withTag({ float: 1 }), 'tags[0].value.float', 1],
  ['value of two kinds', withTag({ str: {}, int: {} }), 'tags[0].value', { str: {}, int: {} }],
  ['null that is not null', withTag({ null: 0 }), 'tags[0].value.null', 0],
  ['str unwrapped', withTag({ str: 'a' }), 'tags[0].value.str', 'a'],
  ['str of number', withTag({ str: { value: 1 } }), 'tags[0].value.str.value', 1],
  ['str with lone surrogate', withTag({ str: { value: lone } }), 'tags[0].value.str.value', lone],
  ['str with unknown member', withTag({ str: { text: 'a' } }), 'tags[0].value.str.text', 'a'],
  ['int of fraction', withTag({ int: { value: 1.5 } }), 'tags[0].value.int.value', 1.5],
  ['int unsafe', withTag({ int: { value: 2 ** 53 } }), 'tags[0].value.int.value', 2 ** 53],
  ['int null', withTag({ int: { value: null } }), 'tags[0].value.int.value', null],
  ['int empty text', withTag({ int: { value: '' } }), 'tags[0].value.int.value', ''],
  ['int hexadecimal', withTag({ int: { value: '0x10' } }), 'tags[0].value.int.value', '0x10'],
  ['int with leading zero', withTag({ int: { value: '007' } }), 'tags[0].value.int.value', '007'],
  [
    'int below int64',
    withTag({ int: { value: '-9223372036854775809' } }),
    'tags[0].value.int.value',
    '-9223372036854775809',
  ],
  [
    'int very long',
    withTag({ int: { value: '1'.repeat(500) } }),
    'tags[0].value.int.value',
    `${'1'.repeat(200)}…`,
  ],
  ['intArray no array', withTag({ intArray: { value: '1' } }), 'tags[0].value.intArray.value', '1'],
  ['intArray item', withTag({ intArray: { value: ['1', 'b'] } }), 'tags[0].value.intArray.value[1]', 'b'],
  ['strArray item', withTag({ strArray: { value: ['1', null] } }), 'tags[0].value.strArray.value[1]', null],
  ['binary no text', withTag({ binaryData: 1 }), 'tags[0].value.binaryData', 1],
  ['binary no base64', withTag({ binaryData: 'A$==' }), 'tags[0].value.binaryData', 'A$=='],
  ['binary wrongly padded', withTag({ binaryData: 'AA=' }), 'tags[0].value.binaryData', 'AA='],
  ['binary one character', withTag({ binaryData: 'A' }), 'tags[0].value.binaryData', 'A'],
  ['binary of two alphabets', withTag({ binaryData: 'A+_A' }), 'tags[0].value.binaryData', 'A+_A'],
  ['binary with line feed', withTag({ binaryData: 'AAAA\n' }), 'tags[0].value.binaryData', 'AAAA\n'],
  ...[
    '2023-02-29T00:00:00Z',
    '2023-13-01T00:00:00Z',
    '2023-01-01T24:00:00Z',
    '2023-01-01T00:00:60Z',
    '2023-01-01T00:00:00',
    '2023-01-01 00:00:00Z',
    '2023-01-01T00:00:00.Z',
    '2023-01-01T00:00:00.1234567890Z',
    '2023-01-01T00:00:00+24:00',
    '0000-12-31T23:59:59Z',
    '0001-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
  ].map((time): [string, unknown, string, unknown] => [
    time,
    withTag({ timestamp: time }),
    'tags[0].value.timestamp',
    time,
  ]),
  ['version: unknown member', { property: { metadata, id: '1' }, deletetime: '1' }, 'deletetime', '1'],
  ['version: place has the form in it', { property: { metadata }, deleteTime: '1' }, 'property.id', null],
  ['version: delete time negative', { property: { metadata, id: '1' }, deleteTime: -1 }, 'deleteTime', -1],
  ['version: delete time no number', { property: { metadata, id: '1' }, deleteTime: 'x' }, 'deleteTime', 'x'],
  ['version: property no object', { property: 'x', deleteTime: '1' }, 'property', 'x'],
  ['source and property', { ...stored, property: {} }, 'property', {}],
  ['source no text', { ...stored, source: {} }, 'source', {}],
  ['source no JSON', { source: '{', deleteTime: '0' }, 'source', '{'],
  ['source no object', { source: '5', deleteTime: '0' }, 'source', 5],
  [
    'source with lone surrogate',
    { source: `{"metadata":{"group":"g","name":"n","modRevision":"1"},"id":"${lone}"}` },
    'source.id',
    lone,
  ],
  [
    'source without revision',
    { source: '{"metadata":{"group":"g","name":"n"},"id":"1"}' },
    'source.metadata.modRevision',
    null,
  ],
  [
    'source with a bad member',
    { source: '{"metadata":{"group":"g","name":"n","modRevision":"1"},"id":7}' },
    'source.id',
    7,
  ],
  [
    'source with a member twice',
    { source: '{"metadata":{"group":"g","name":"n","modRevision":"1"},"id":"1","id":"2"}' },
    'source.id',
    'id',
  ],
  ['sha of another delete time', { ...stored, deleteTime: '6', sha }, 'sha', sha],
  ['sha no text', { ...stored, sha: 1 }, 'sha', 1],
  ['id of another version', { ...stored, id: 'g/n/10/1' }, 'id', 'g/n/10/1'],
  ['timestamp of another version', { ...stored, timestamp: '1' }, 'timestamp', '1'],
  ['timestamp no number', { ...stored, timestamp: 'x' }, 'timestamp', 'x'],
];

describe('what is refused', () => {
  test.each(rules)('%s', (_rule, json, field, value) => {
    expect(problemsOf(json)).toEqual([[field, value]]);
  });

  test('a property over 1 MiB, told by its bytes', () => {
    const validated = validateRecord(withTag({ str: { value: 'x'.repeat(1024 * 1024) } }));
    expect(validated).toMatchObject({
      problems: [{ field: '', message: expect.stringContaining('1048576') }],
    });
  });

  test('every problem of a record is told at once', () => {
    const json = {
      metadata: { group: '../x', name: 'a/b', modRevision: 'x' },
      tags: [{ key: 'a', value: { int: { value: 'b' } } }, { value: { str: 1 } }, 7],
      updatedAt: 'never',
      more: true,
    };
    expect(
      problemsOf(json)
        .map(([field]) => field)
        .toSorted(),
    ).toEqual([
      'id',
      'metadata.group',
      'metadata.modRevision',
      'metadata.name',
      'more',
      'tags[0].value.int.value',
      'tags[1].key',
      'tags[1].value.str',
      'tags[2]',
      'updatedAt',
    ]);
  });

  test('an unsafe number is told to be written as a string', () => {
    const validated = validateRecord(withTag({ int: { value: 2 ** 53 } }));
    expect(validated).toMatchObject({
      problems: [{ message: expect.stringContaining('write it as a string') }],
    });
  });

  test('problems of one record have a ceiling, and long values are shortened', () => {
    const problems = problemsOf({ metadata, id: '1', tags: Array.from({ length: 5_000 }, () => 1) });
    expect(problems.length).toBe(1_001);
    expect(problemsOf({ metadata, id: Array.from({ length: 500 }, () => 'abc') })[0]?.[1]).toMatch(
      /^\["abc",.*"…"\]$/,
    );
  });

  test('deep nesting neither overflows nor is shown in full', () => {
    const deep = JSON.parse(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`) as unknown;
    expect(problemsOf({ metadata, id: deep })).toEqual([['id', '{"a":{"a":{"a":{"a":"…"}}}}']]);
  });
});
