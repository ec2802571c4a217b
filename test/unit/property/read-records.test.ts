import { describe, expect, test } from 'vitest';
import { recordTextBytesMax } from '../../../src/property/cut-lines.ts';
import { findDuplicateMembers } from '../../../src/property/duplicate-members.ts';
import { type RecordLine, readRecords } from '../../../src/property/read-records.ts';

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<RecordLine[]> {
  const lines: RecordLine[] = [];
  for await (const line of readRecords('f.ndjson', chunks)) lines.push(line);
  return lines;
}

// Line and id of a good record, line and message of each problem.
async function outline(input: string | Uint8Array): Promise<string[]> {
  const bytes = typeof input === 'string' ? Buffer.from(input) : input;
  const lines = await readAll(pieces(bytes, Math.max(1, bytes.length)));
  return lines.flatMap((line) => {
    if ('record' in line) return [`${line.line} ${line.record.property.id}`];
    return line.problems.map((problem) => `${problem.line} [${problem.field}] ${problem.message}`);
  });
}

const record = (id: string, more = '') =>
  `{"metadata":{"group":"g","name":"n"},"id":${JSON.stringify(id)},"tags":[{"key":"]},{\\"😀","value":{"str":{"value":"a\\\\"}}}]${more}}`;
const pretty = (id: string) => JSON.stringify(JSON.parse(record(id)), null, 2);

const good: [string, string, string[]][] = [
  ['NDJSON', `${record('1')}\n${record('2')}\n`, ['1 1', '2 2']],
  ['NDJSON without a last line feed', `${record('1')}\n${record('2')}`, ['1 1', '2 2']],
  [
    'blank lines, CRLF, a byte order mark',
    `\ufeff\r\n \r\n${record('1')}\r\n\t\r\n\n${record('2')}\r\n\n`,
    ['3 1', '6 2'],
  ],
  ['an array on one line', `[${record('1')},${record('2')}]`, ['1 1', '1 2']],
  [
    'an array over lines',
    `\ufeff\n[\n${record('1')}\n,\n\n${record('2')} , ${record('3')}\n]\n \n`,
    ['3 1', '6 2', '6 3'],
  ],
  [
    'a pretty array',
    JSON.stringify([JSON.parse(record('é')), JSON.parse(record('2'))], null, 2),
    ['2 é', '19 2'],
  ],
  ['a pretty object', pretty('1'), ['1 1']],
  [
    'pretty objects one after another',
    `${pretty('1')}\n${pretty('2')}${record('3')}`,
    ['1 1', '18 2', '34 3'],
  ],
  ['an empty array', ' [ ] ', []],
  ['nothing', '', []],
  ['white space', ' \n\n', []],
  ['a byte order mark alone', '\ufeff', []],
];

describe('good files', () => {
  test.each(good)('%s', async (_form, text, expected) => {
    expect(await outline(text)).toEqual(expected);
  });

  test.each(good)('%s, cut at every byte', async (_form, text) => {
    const bytes = Buffer.from(text);
    const whole = await readAll(pieces(bytes, bytes.length + 1));
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const parts = [bytes.subarray(0, cut), bytes.subarray(cut)];
      expect(await readAll(inOneBuffer(parts))).toEqual(whole);
    }
    expect(await readAll(pieces(bytes, 1))).toEqual(whole);
  });
});

// Gives every part in the same memory, as a reader with one buffer would.
async function* inOneBuffer(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  const memory = Buffer.alloc(Math.max(...parts.map((part) => part.length)));
  for (const part of parts) {
    memory.set(part);
    yield memory.subarray(0, part.length);
  }
}

const bad: [string, string | Buffer, (string | RegExp)[]][] = [
  [
    'a line that is no JSON',
    `${record('1')}\nnonsense\n${record('2')}`,
    ['1 1', /^2 \[\] is not JSON/, '3 2'],
  ],
  [
    'a cut line',
    `${record('1')}\n${record('2').slice(0, 50)}\n${record('3')}`,
    ['1 1', /^2 \[\] is not JSON/, '3 3'],
  ],
  ['two records on a line', `${record('1')}${record('2')}`, [/^1 \[\] is not JSON/]],
  ['problems of a record', `\n${record('', ',"x":1')}`, [/^2 \[x\] unknown/, /^2 \[id\] is required/]],
  ['a second byte order mark', `${record('1')}\n\ufeff${record('2')}`, ['1 1', /^2 \[\] is not JSON/]],
  [
    'no UTF-8',
    Buffer.concat([Buffer.from(`${record('1')}\n`), Buffer.from(record('é'), 'latin1')]),
    ['1 1', '2 [] is not UTF-8'],
  ],
  [
    'a member twice',
    `${record('1', ',"id":"2"')}\n${record('3')}`,
    ['1 [id] stands twice in the same object', '2 3'],
  ],
  ['array: no end', `[${record('1')},\n${record('2')}`, ['1 1', '2 2', /^2 \[\] the array does not end/]],
  [
    'array: cut in a record',
    `[${record('1')},\n${record('2').slice(0, -9)}`,
    ['1 1', /^2 \[\] the record that begins here/, /the array does not end/],
  ],
  ['array: only its bracket', '\n[', [/^2 \[\] the array does not end/]],
  ['array: comma missing', `[${record('1')}\n${record('2')}]`, ['1 1', /^2 \[\] a comma is missing/, '2 2']],
  ['array: comma at the end', `[${record('1')},\n]`, ['1 1', /^2 \[\] a record is missing/]],
  ['array: comma at the start', `[,${record('1')}]`, [/^1 \[\] a record is missing/, '1 1']],
  ['array: two commas', `[${record('1')},,${record('2')}]`, ['1 1', /^1 \[\] a record is missing/, '1 2']],
  ['array: text after it', `[${record('1')}]\n${record('2')}\n[`, ['1 1', /^2 \[\] there is text after/]],
  [
    'array: other values',
    '[1, "a,]", null,\n[2], {"a":}]',
    [/^1 \[\] must be/, /^1 \[\]/, /^1 \[\] must be/, /^2 \[\] must be/, /^2 \[\] is not JSON/],
  ],
  ['pretty: no end', `${pretty('1')}\n{\n "id": "2"`, ['1 1', /^18 \[\] the record that begins here/]],
  [
    'pretty: garbage between',
    `${pretty('1')}\nnonsense\n${pretty('2')}`,
    ['1 1', /^18 \[\] is not JSON/, '19 2'],
  ],
];

describe('bad files', () => {
  test.each(bad)('%s', async (_form, input, expected) => {
    const found = await outline(input);
    expect(found.length, found.join('\n')).toBe(expected.length);
    for (const [position, line] of expected.entries()) {
      if (typeof line === 'string') expect(found[position]).toBe(line);
      else expect(found[position]).toMatch(line);
    }
  });

  test.each(bad)('%s, byte by byte', async (_form, input) => {
    const bytes = Buffer.from(input);
    const places = (lines: RecordLine[]) =>
      lines.map((line) => ('record' in line ? line : line.problems.map(({ value, ...place }) => place)));
    expect(places(await readAll(pieces(bytes, 1)))).toEqual(
      places(await readAll(pieces(bytes, bytes.length))),
    );
  });

  test('a problem tells file, line, field, value', async () => {
    const [line] = await readAll(pieces(Buffer.from(`\n${record('1', ',"x":7')}`), 10));
    expect(line).toMatchObject({ line: 2, problems: [{ file: 'f.ndjson', line: 2, field: 'x', value: 7 }] });
  });

  test.each(['\n', ','])('a record that is too long, ended by %j', async (separator) => {
    const long = `{"a":"${'x'.repeat(recordTextBytesMax)}"}`;
    const text = separator === ',' ? `[${long},${record('2')}]` : `${long}\n${record('2')}`;
    const lines = await readAll(pieces(Buffer.from(text), 65_536));
    expect(lines.length).toBe(2);
    expect(lines[0]).toMatchObject({
      problems: [{ field: '', value: null, message: expect.stringContaining('longer') }],
    });
    expect(lines[1]).toHaveProperty('record');
  });
});

test('a stream of records is not held in memory', async () => {
  // Reads only as far as it is asked to: the endless source would never come back otherwise.
  let given = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('[');
    for (;;) {
      given += 1;
      yield Buffer.from(`${record(`${given}`)},\n`);
    }
  }
  let seen = 0;
  for await (const line of readRecords('f', endless())) {
    expect(line).toHaveProperty('record');
    seen += 1;
    if (seen === 1_000) break;
  }
  expect(given).toBe(1_000);
});

test.each([
  ['{"a":1,"b":{"a":2},"c":[{"a":1},{"a":2}]}', []],
  ['{"a":1,"a":2,"a":3}', ['a', 'a']],
  ['{"b":[0,{"x":"x","y":"x","x":[]}]}', ['b[1].x']],
  ['{"a" : "a" , "\\u0061" : 1}', ['a']],
  ['{"a":"\\",\\"a\\":","b":"a:"}', []],
  ['["a","a"]', []],
  ['{"__proto__":1,"__proto__":2}', ['__proto__']],
])('duplicate members of %s', (text, fields) => {
  expect(findDuplicateMembers(text).map(({ field }) => field)).toEqual(fields);
});
