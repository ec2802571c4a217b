/** The verbs over single properties: `get`, `delete`, `search`. */
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { propertyRecord, runCli, temporaryFolder, writeRecords } from '../../support/run-cli.ts';
import { TestClock } from '../../support/test-clock.ts';

let root = '';

beforeEach(async () => {
  const folder = temporaryFolder();
  root = join(folder, 'root');
  const file = writeRecords(folder, 'records.ndjson', [
    propertyRecord('mime/type/application/vnd.api+json', 11, { source: 'iana' }),
    propertyRecord('mime/type/image/svg+xml', 12, { source: 'iana', title: 'Größe ÉTÉ' }),
    propertyRecord('mime/type/日本-54', 13, { title: '東京タワー' }),
    propertyRecord('mime/type/emoji😀59', 14, {}),
    propertyRecord('other/type/image', 15, {}),
    { property: propertyRecord('mime/type/gone', 16, { source: 'iana' }), deleteTime: '17' },
  ]);
  await runCli(['load', '--root', root, '--shards', '3', file]);
});

test('get gives the property, its revision, delete time and digest', async () => {
  const { code, lines } = await runCli([
    'get',
    '--root',
    root,
    'mime/type/application/vnd.api+json',
    '--json',
  ]);
  expect(code).toBe(0);
  expect(lines).toHaveLength(1);
  expect(Object.keys(lines[0]).sort()).toEqual(['deleteTime', 'digest', 'property', 'revision']);
  expect(lines[0]).toMatchObject({
    property: {
      metadata: { group: 'mime', name: 'type', modRevision: '11' },
      id: 'application/vnd.api+json',
    },
    revision: '11',
    deleteTime: '0',
    digest: expect.stringMatching(/^[0-9a-f]{128}$/),
  });
  const readable = await runCli(['get', '--root', root, 'mime/type/application/vnd.api+json']);
  expect(readable.stdout).toContain('revision 11\n');
});

test('get finds a deleted property with --deleted only', async () => {
  const hidden = await runCli(['get', '--root', root, 'mime/type/gone', '--json']);
  expect(hidden).toMatchObject({
    code: 1,
    last: { property: null, revision: null, deleteTime: null, digest: null },
  });
  const shown = await runCli(['get', '--root', root, 'mime/type/gone', '--deleted', '--json']);
  expect(shown).toMatchObject({ code: 0, last: { revision: '16', deleteTime: '17' } });
});

test.each(['mime/type/absent', 'absent/type/image', 'mime/absent/image/svg+xml'])(
  'get finds no %s',
  async (entity) => {
    const { code, lines } = await runCli(['get', '--root', root, entity, '--json']);
    expect(code).toBe(1);
    expect(lines).toEqual([{ property: null, revision: null, deleteTime: null, digest: null }]);
    const readable = await runCli(['get', '--root', root, entity]);
    expect(readable).toMatchObject({ code: 1, stdout: '' });
    expect(readable.stderr).toContain(entity);
  },
);

test.each([
  ['mime', 'bad-argument'],
  ['mime/type', 'bad-argument'],
  ['mime/type/', 'bad-argument'],
  ['/type/id', 'bad-argument'],
  ['../type/id', 'bad-argument'],
])('the entity %j is an error of get and delete', async (entity, code) => {
  for (const verb of ['get', 'delete']) {
    const refused = await runCli([verb, '--root', root, entity, '--json']);
    expect(refused).toMatchObject({ code: 2, last: { error: { code } } });
    expect(JSON.stringify(refused.last.error)).toContain(JSON.stringify(entity.split('/')[0]).slice(1, -1));
  }
});

test('an absent root is an error of each', async () => {
  for (const argv of [
    ['get', 'g/n/1'],
    ['delete', 'g/n/1'],
    ['search', 'word'],
  ]) {
    const refused = await runCli([...argv, '--root', join(root, 'absent'), '--json']);
    expect(refused).toMatchObject({ code: 2, last: { error: { code: 'not-found', field: 'root' } } });
  }
});

test('delete stamps a tombstone once, and says so the second time', async () => {
  const clock = new TestClock();
  const first = await runCli(['delete', '--root', root, 'mime/type/image/svg+xml', '--json'], { clock });
  expect(first).toMatchObject({ code: 0, last: { revision: '12', deleteTime: String(clock.nowNs()) } });
  expect(first.last.digest).toMatch(/^[0-9a-f]{128}$/);
  clock.wallMs += 1_000;
  const second = await runCli(['delete', '--root', root, 'mime/type/image/svg+xml', '--json'], { clock });
  expect(second).toMatchObject({ code: 0, last: first.last });
  const readable = await runCli(['delete', '--root', root, 'mime/type/image/svg+xml'], { clock });
  expect(readable.stdout).toContain('was deleted already');
  const got = await runCli(['get', '--root', root, 'mime/type/image/svg+xml', '--deleted', '--json']);
  const { revision, deleteTime, digest } = first.last;
  expect(got.last).toMatchObject({ revision, deleteTime, digest });
});

test.each(['mime/type/absent', 'absent/type/image'])(
  'delete of the absent %s is an error',
  async (entity) => {
    const refused = await runCli(['delete', '--root', root, entity, '--json']);
    expect(refused).toMatchObject({ code: 2, last: { error: { code: 'not-found', value: entity } } });
  },
);

test.each([
  ['a word of an id', ['svg'], ['image/svg+xml']],
  ['the beginning of a word', ['ima'], ['image/svg+xml', 'image']],
  ['no middle of a word', ['mage'], []],
  ['all words', ['iana', 'json'], ['application/vnd.api+json']],
  ['all words in one argument', ['JSON iana'], ['application/vnd.api+json']],
  ['a whole id', ['application/vnd.api+json'], ['application/vnd.api+json']],
  ['accents and case', ['grosse', 'ete'], ['image/svg+xml']],
  ['accents that are asked for', ['GRÖSSE'], ['image/svg+xml']],
  ['a tag key', ['title'], ['image/svg+xml', '日本-54']],
  ['Japanese', ['日本'], ['日本-54']],
  ['the middle of what is written without spaces', ['タワ'], ['日本-54']],
  ['no characters in another order', ['本日'], []],
  ['an emoji', ['😀'], ['emoji😀59']],
  ['a number beside an emoji', ['59'], ['emoji😀59']],
  ['no deleted property', ['gone'], []],
] as const)('search finds %s', async (_, words, ids) => {
  const { code, lines } = await runCli(['search', '--root', root, ...words, '--json']);
  expect(code).toBe(0);
  expect(
    lines
      .slice(0, -1)
      .map(({ property }) => property.id)
      .sort(),
  ).toEqual([...ids].sort());
  expect(lines.at(-1)).toEqual({ summary: { found: ids.length, more: false } });
});

test('search gives what get gives, and the entity', async () => {
  const [found] = (await runCli(['search', '--root', root, 'svg', '--json'])).lines;
  const got = (await runCli(['get', '--root', root, 'mime/type/image/svg+xml', '--json'])).last;
  expect(found).toEqual({ entity: 'mime/type/image/svg+xml', ...got });
  expect((await runCli(['search', '--root', root, 'svg'])).stdout).toMatch(
    /^mime\/type\/image\/svg\+xml .*\n1 found\n$/,
  );
});

test('search keeps to a limit and a group, and says that there is more', async () => {
  const limited = await runCli(['search', '--root', root, 'type', '--limit', '2', '--json']);
  expect(limited.lines).toHaveLength(3);
  expect(limited.last).toEqual({ summary: { found: 2, more: true } });
  const grouped = await runCli(['search', '--root', root, 'type', '--group', 'other', '--json']);
  expect(grouped.lines.map(({ entity }) => entity)).toEqual(['other/type/image', undefined]);
});

test.each([
  ['no word', ['+++'], 'bad-argument'],
  ['a text that is too long', ['x'.repeat(1_001)], 'bad-argument'],
  ['an absent group', ['svg', '--group', 'absent'], 'not-found'],
  ['a limit of none', ['svg', '--limit', '0'], 'bad-argument'],
  ['nothing', [], 'bad-argument'],
] as const)('search for %s is an error', async (_, argv, code) => {
  expect(await runCli(['search', '--root', root, ...argv, '--json'])).toMatchObject({
    code: 2,
    last: { error: { code } },
  });
});
