import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CodedError } from '../../../src/lib/coded-error.ts';
import { parseSource, spellingOf, spellProperty } from '../../../src/property/source-json.ts';
import { arbitraryProperty } from '../../support/random-property.ts';

const seed = Number(process.env['TALLYSTICK_SEED'] ?? Date.now() % 2 ** 31);

const whole =
  '{"metadata":{"group":"g","name":"n","createRevision":"1700000000000000001","modRevision":"1700000000000000010"},"id":"10","tags":[{"key":"k1","value":{"str":{"value":"v1"}}},{"key":"k2","value":{"int":{"value":"-5"}}}],"updatedAt":"2023-11-14T22:13:20.000000010Z"}';

// Texts as BanyanDB writes them, by kind of tag.
const tagTexts = [
  '{"key":"nul","value":{"null":null}}',
  '{"key":"es","value":{"str":{}}}',
  '{"key":"z","value":{"int":{}}}',
  '{"key":"sa","value":{"strArray":{"value":["a","b"]}}}',
  '{"key":"ia","value":{"intArray":{"value":["1","2"]}}}',
  '{"key":"ea","value":{"strArray":{}}}',
  '{"key":"ei","value":{"intArray":{}}}',
  '{"key":"b","value":{"binaryData":"AP/+"}}',
  '{"key":"eb","value":{"binaryData":""}}',
  '{"key":"t","value":{"timestamp":"2023-11-14T22:13:20.120Z"}}',
  '{"key":"t0","value":{"timestamp":"2023-11-14T22:13:20Z"}}',
  '{"key":"t6","value":{"timestamp":"2023-11-14T22:13:20.000120Z"}}',
  '{"key":"first","value":{"timestamp":"0001-01-01T00:00:00Z"}}',
  '{"key":"last","value":{"timestamp":"9999-12-31T23:59:59.999999999Z"}}',
  '{"key":"nov"}',
  '{"key":"tv","value":{}}',
  '{}',
  '{"value":{}}',
  '{"key":"esc","value":{"str":{"value":"x\\"y\\\\z\\n\\u0001\u007f\u2028<&>é"}}}',
];

describe('stored texts come back byte for byte', () => {
  test.each([whole, '{"metadata":{}}', '{"metadata":{"id":7},"id":"x"}'])('%s', (text) => {
    expect(spellProperty(parseSource(text), 'compact')).toBe(text);
  });

  test.each(tagTexts)('tag %s', (tag) => {
    const text = `{"metadata":{"group":"g"},"id":"i","tags":[${tag}]}`;
    expect(spellProperty(parseSource(text), 'compact')).toBe(text);
  });

  test('spaced has one space after each structural comma and nowhere else', () => {
    const text = `{"metadata":{"group":"g","name":"a,b"},"id":"i","tags":[${tagTexts.join(',')}]}`;
    const spaced = spellProperty(parseSource(text), 'spaced');
    expect(
      spaced.startsWith('{"metadata":{"group":"g", "name":"a,b"}, "id":"i", "tags":[{"key":"nul", "value"'),
    ).toBe(true);
    expect(spaced).toContain('["a", "b"]');
    expect(spaced).toContain('["1", "2"]');
    expect(spellProperty(parseSource(spaced), 'compact')).toBe(text);
  });
});

test('any order of members and any white space is read', () => {
  const text =
    '\n{ "tags" : [ { "value" : { "int" : { "value" : 5 } } , "key" : "k" } ],\t"id":"i", "metadata": { "modRevision" : 7, "name":"n", "id":"3", "group":"g" },"updatedAt":"2023-11-15T00:13:20.5+02:00" }\r\n';
  expect(spellProperty(parseSource(text), 'compact')).toBe(
    '{"metadata":{"group":"g","name":"n","id":3,"modRevision":"7"},"id":"i","tags":[{"key":"k","value":{"int":{"value":"5"}}}],"updatedAt":"2023-11-14T22:13:20.500Z"}',
  );
});

test.each([
  ['{"metadata":{}}', 'compact'],
  ['{"metadata":{}, "id":"a"}', 'spaced'],
  ['{"metadata":{},"id":"a, b"}', 'compact'],
  ['{"metadata":{"group":"a\\", b"}, "id":"x"}', 'spaced'],
  ['{"metadata":{"group":"a\\\\"},"id":"x"}', 'compact'],
  ['{"metadata":{},\n"id":"a"}', 'compact'],
  ['', 'compact'],
  ['"open', 'compact'],
])('%s is %s', (text, spelling) => {
  expect(spellingOf(text)).toBe(spelling);
});

test.each([
  ['nonsense', '', 'nonsense'],
  ['[]', '', []],
  ['{}', 'metadata', null],
  ['{"metadata":{"group":1}}', 'metadata.group', 1],
  [
    '{"metadata":{},"tags":[{},{},{"key":"k","value":{"int":{"value":"x"}}}]}',
    'tags[2].value.int.value',
    'x',
  ],
  [
    '{"metadata":{},"tags":[{"value":{"intArray":{"value":["1","9223372036854775808"]}}}]}',
    'tags[0].value.intArray.value[1]',
    '9223372036854775808',
  ],
])('%s is refused with its place', (text, field, value) => {
  const parse = () => parseSource(text);
  expect(parse).toThrow(CodedError);
  expect(parse).toThrow(expect.objectContaining({ code: 'bad-records', details: { field, value } }));
});

test('a timestamp that no text could have given is refused when spelled', () => {
  const property = { ...parseSource(whole), updatedAt: { seconds: 253_402_300_800n, nanos: 0 } };
  expect(() => spellProperty(property, 'compact')).toThrow(expect.objectContaining({ code: 'bad-records' }));
});

test(`any property survives both spellings (TALLYSTICK_SEED=${seed})`, () => {
  fc.assert(
    fc.property(arbitraryProperty, (property) => {
      const compact = spellProperty(property, 'compact');
      const spaced = spellProperty(property, 'spaced');
      expect(parseSource(compact)).toEqual(property);
      expect(parseSource(spaced)).toEqual(property);
      expect(JSON.stringify(JSON.parse(compact))).toBe(compact);
      expect(JSON.parse(spaced)).toEqual(JSON.parse(compact));
      if (compact !== spaced)
        expect([spellingOf(compact), spellingOf(spaced)]).toEqual(['compact', 'spaced']);
    }),
    { seed, numRuns: 1_000 },
  );
});
