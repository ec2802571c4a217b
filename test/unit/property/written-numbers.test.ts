import { expect, test } from 'vitest';
import { withWrittenNumbers } from '../../../src/property/written-numbers.ts';

const problem = (field: string, value: unknown) => ({ field, value, message: 'm' });
const shown = (json: string, field: string, value: unknown) =>
  withWrittenNumbers([problem(field, value)], json)[0]?.value;

test.each([
  [
    'an integer that a double rounds',
    '{"a":{"b":[0,9007199254740993]}}',
    'a.b[1]',
    2 ** 53,
    '9007199254740993',
  ],
  ['a number beyond all doubles', '{"a":-1e400}', 'a', -Infinity, '-1e400'],
  ['a number as a whole record', '9007199254740993', '', 2 ** 53, '9007199254740993'],
  ['a fraction', '{"a":1.5}', 'a', 1.5, 1.5],
  ['a string of digits', '{"a":"9007199254740993"}', 'a', '9007199254740993', '9007199254740993'],
  ['a member with a dot in its name', '{"a.b":9007199254740993}', 'a.b', 2 ** 53, 2 ** 53],
])('%s is shown as it was written, or as it was parsed', (_name, json, field, value, expected) => {
  expect(shown(json, field, value)).toBe(expected);
});

test('text nested too deeply to be parsed twice keeps the parsed numbers', () => {
  const json = `{"a":9007199254740993,"b":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
  expect(shown(json, 'a', 2 ** 53)).toBe(2 ** 53);
});
