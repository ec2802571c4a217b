/** The `load` verb: what it accepts, how it refuses, and that a refusal changes nothing. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CodedError } from '../../../src/lib/coded-error.ts';
import { propertyRecord, runCli, temporaryFolder, writeRecords } from '../../support/run-cli.ts';
import { TestClock } from '../../support/test-clock.ts';

async function getJson(root: string, entity: string, ...more: string[]) {
  return (await runCli(['get', '--root', root, entity, '--json', ...more])).last;
}

test('records of every form are applied, the greatest version of an entity stays', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'root');
  const source = '{"metadata":{"group":"g", "name":"n", "modRevision":"7"}, "id":"stored"}';
  const file = writeRecords(folder, 'records.ndjson', [
    propertyRecord('g/n/plain', 5, { a: 'five' }),
    propertyRecord('g/n/plain', 9, { a: 'nine' }),
    propertyRecord('g/n/plain', 7, { a: 'seven' }),
    { property: propertyRecord('g/n/gone', 3), deleteTime: '4' },
    { source, deleteTime: '0' },
  ]);
  const loaded = await runCli(['load', '--root', root, file, '--json']);
  expect(loaded.lines).toEqual([{ summary: { applied: 4, kept: 1, problems: [] } }]);
  expect(loaded.code).toBe(0);
  expect(await getJson(root, 'g/n/plain')).toMatchObject({ revision: '9', deleteTime: '0' });
  expect(await getJson(root, 'g/n/gone', '--deleted')).toMatchObject({ revision: '3', deleteTime: '4' });
  expect(await getJson(root, 'g/n/stored')).toMatchObject({ revision: '7', property: JSON.parse(source) });
  // The first stored text sets the spelling of the group.
  expect(JSON.parse(readFileSync(join(root, 'data/g/group.json'), 'utf8'))).toMatchObject({
    shards: 1,
    slots: 32,
    spelling: 'spaced',
  });

  const again = await runCli(['load', '--root', root, file, '--json']);
  expect(again.last).toEqual({ summary: { applied: 0, kept: 5, problems: [] } });
});

test('a record without revision is stamped with the time, and each load of it is a new version', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'root');
  const clock = new TestClock();
  const file = writeRecords(folder, 'records.json', [propertyRecord('g/n/1', 0, { a: 'b' })]);
  await runCli(['load', '--root', root, file], { clock });
  const first = await getJson(root, 'g/n/1');
  expect(first.revision).toBe(String(clock.nowNs()));
  expect(first.property.metadata.createRevision).toBe(first.revision);
  await runCli(['load', '--root', root, file], { clock });
  const second = await getJson(root, 'g/n/1');
  expect(BigInt(second.revision)).toBe(BigInt(first.revision) + 1n);
  expect(second.property.metadata.createRevision).toBe(first.revision);
});

test('standard input is read, in any chunks, as an array too, and beside files', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'root');
  const file = writeRecords(folder, 'a.ndjson', [propertyRecord('g/n/a'), propertyRecord('h/n/b')]);
  const text = JSON.stringify([propertyRecord('g/n/日本'), propertyRecord('g/n/d')]);
  const stdin = [text.slice(0, 30), text.slice(30, 61), text.slice(61)];
  const loaded = await runCli(['load', '--root', root, file, '-', '--json'], { stdin });
  expect(loaded.last).toEqual({ summary: { applied: 4, kept: 0, problems: [] } });
  expect(readdirSync(join(root, 'data')).sort()).toEqual(['g', 'h']);
  expect((await getJson(root, 'g/n/日本')).property.id).toBe('日本');
  expect((await runCli(['load', '--root', root, '-', '-'])).stderr).toContain('once only');
});

test('every problem of every file is told with its place, and nothing is changed', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'root');
  const one = writeRecords(folder, 'one.ndjson', [
    propertyRecord('g/n/good'),
    '{"metadata":{"group":"g","name":"n"}',
    propertyRecord('../escape/id', 4),
    { ...propertyRecord('g/n/x', 4), surprise: 1 },
  ]);
  const two = writeRecords(folder, 'two.ndjson', [
    {
      source: '{"metadata":{"group":"g","name":"n","modRevision":"7"},"id":"1"}',
      deleteTime: '0',
      sha: 'ab',
    },
  ]);
  const refused = await runCli(['load', '--root', root, one, two, '--json']);
  expect(refused.code).toBe(2);
  expect(existsSync(root)).toBe(false);
  const { error } = refused.last;
  expect(error).toMatchObject({ code: 'bad-records', file: one, line: 2, problemCount: 4 });
  expect(error.message).toContain('4 problems in 2 files');
  expect(
    error.problems.map(({ file, line, field }: { file: string; line: number; field: string }) => [
      file,
      line,
      field,
    ]),
  ).toEqual([
    [one, 2, ''],
    [one, 3, 'metadata.group'],
    [one, 4, 'surprise'],
    [two, 1, 'sha'],
  ]);
  for (const problem of error.problems)
    expect(Object.keys(problem).sort()).toEqual(['field', 'file', 'line', 'message', 'value']);
  expect(refused.lines.at(-2)).toEqual({
    summary: { applied: 0, kept: 0, problemCount: 4, problems: error.problems },
  });

  const readable = await runCli(['load', '--root', root, one, two]);
  expect(readable.stdout).toBe('');
  expect(readable.stderr).toContain(`${one}:4 surprise`);
  expect(readable.stderr).toContain(`${one}:3 metadata.group: group name`);
});

test('problems beyond the ceiling are counted and not listed', async () => {
  const folder = temporaryFolder();
  const file = writeRecords(
    folder,
    'bad.ndjson',
    Array.from({ length: 10_050 }, () => '{}'),
  );
  const { error } = (await runCli(['load', '--root', join(folder, 'root'), file, '--json'])).last;
  expect(error.problems).toHaveLength(10_000);
  expect(error.problemCount).toBeGreaterThan(10_050);
  expect(error.message).toContain('the first 10000 are listed');
});

test('a property that becomes too large when it is stamped is a problem, not a crash midway', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'root');
  const large = propertyRecord('g/n/large', 0, { a: '' });
  const withText = (characters: number) => ({
    ...large,
    tags: [{ key: 'a', value: { str: { value: 'x'.repeat(characters) } } }],
  });
  const mebibyte = 1024 * 1024;
  const file = writeRecords(folder, 'large.ndjson', [
    propertyRecord('g/n/small', 0),
    withText(mebibyte - 40),
  ]);
  const refused = await runCli(['load', '--root', root, file, '--json']);
  expect(refused.last.error.problems).toHaveLength(1);
  expect(refused.last.error.problems[0]).toMatchObject({
    line: 2,
    message: expect.stringContaining('more than 1048576'),
  });
  expect(existsSync(root)).toBe(false);
  const fits = writeRecords(folder, 'fits.ndjson', [withText(mebibyte - 200)]);
  expect((await runCli(['load', '--root', root, fits, '--json'])).last.summary.applied).toBe(1);
});

test.each([
  [['--shards', '3'], 'shards', 3, 2],
  [['--slots', '64'], 'slots', 64, 32],
  [['--spelling', 'spaced'], 'spelling', 'spaced', 'compact'],
] as const)(
  'a set value given anew is refused before anything changes: %j',
  async (given, field, value, set) => {
    const folder = temporaryFolder();
    const root = join(folder, 'root');
    const first = writeRecords(folder, 'first.ndjson', [propertyRecord('g/n/1')]);
    const second = writeRecords(folder, 'second.ndjson', [
      propertyRecord('new/n/1'),
      propertyRecord('g/n/2'),
    ]);
    await runCli(['load', '--root', root, '--shards', '2', first]);
    const refused = await runCli(['load', '--root', root, ...given, second, '--json']);
    expect(refused.code).toBe(2);
    expect(refused.last.error).toMatchObject({ code: 'settings-differ', group: 'g', field, value, set });
    expect(existsSync(join(root, 'data/new'))).toBe(false);
    // Given as they are, or not at all, the set values are kept.
    expect((await runCli(['load', '--root', root, '--shards', '2', second])).code).toBe(0);
  },
);

test('records are spread over the shards, each in the one its hash says', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'root');
  const records = Array.from({ length: 3_000 }, (_, number) => propertyRecord(`g/n/${number}`, number + 1));
  await runCli([
    'load',
    '--root',
    root,
    '--shards',
    '4',
    '--slots',
    '64',
    writeRecords(folder, 'r.ndjson', records),
  ]);
  const built = await runCli(['build', root, '--json']);
  const counts = built.lines.slice(0, -1).map(({ leaves }) => leaves as number);
  expect(counts).toHaveLength(4);
  expect(counts.reduce((sum, leaves) => sum + leaves)).toBe(3_000);
  for (const leaves of counts) expect(leaves).toBeGreaterThan(500);
  expect((await runCli(['verify', root])).code).toBe(0);
});

test.each([
  ['no file', ['load', '--root', 'R'], 'bad-argument'],
  ['no root', ['load', 'F'], 'bad-argument'],
  ['an absent file', ['load', '--root', 'R', 'absent.ndjson'], 'not-found'],
  ['a folder as file', ['load', '--root', 'R', 'FOLDER'], 'bad-argument'],
  ['a folder of other things as root', ['load', '--root', 'FOLDER', 'F'], 'bad-argument'],
  ['a file as root', ['load', '--root', 'F', 'F'], 'bad-argument'],
  ['no shards', ['load', '--root', 'R', '--shards', '0', 'F'], 'bad-argument'],
  ['too many shards', ['load', '--root', 'R', '--shards', '4097', 'F'], 'bad-argument'],
  ['half a shard', ['load', '--root', 'R', '--shards', '1.5', 'F'], 'bad-argument'],
  ['slots that are no power of two', ['load', '--root', 'R', '--slots', '33', 'F'], 'bad-argument'],
  ['another spelling', ['load', '--root', 'R', '--spelling', 'wide', 'F'], 'bad-argument'],
  ['an unknown option', ['load', '--root', 'R', '--frce', 'F'], 'bad-argument'],
] as const)('%s is an error', async (_, argv, code) => {
  const folder = temporaryFolder();
  const file = writeRecords(folder, 'f.ndjson', [propertyRecord('g/n/1')]);
  const places: Record<string, string> = { R: join(folder, 'root'), F: file, FOLDER: folder };
  const refused = await runCli([...argv.map((word) => places[word] ?? word), '--json']);
  expect(refused.code).toBe(2);
  expect(refused.last.error.code).toBe(code);
  expect(existsSync(join(folder, 'root'))).toBe(false);
});

test('an empty file loads nothing', async () => {
  const folder = temporaryFolder();
  const loaded = await runCli([
    'load',
    '--root',
    join(folder, 'root'),
    writeRecords(folder, 'empty', []),
    '--json',
  ]);
  expect(loaded.last).toEqual({ summary: { applied: 0, kept: 0, problems: [] } });
});

test('a cancelled load ends with an error, and loading again completes it', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'root');
  const records = Array.from({ length: 5_000 }, (_, number) => propertyRecord(`g/n/${number}`, number + 1));
  const file = writeRecords(folder, 'r.ndjson', records);
  const controller = new AbortController();
  // The time is asked with every record, read and read again: the stop comes when some batches are written.
  class StoppingClock extends TestClock {
    #asked = 0;
    override monotonicMs(): number {
      this.#asked += 1;
      if (this.#asked > 9_500) controller.abort(new CodedError('cancelled', 'stop'));
      return super.monotonicMs();
    }
  }
  const stop = { clock: new StoppingClock(), signal: controller.signal };
  const stopped = await runCli(['load', '--root', root, file, '--json'], stop);
  expect(stopped.code).toBe(2);
  expect(stopped.last.error.code).toBe('cancelled');
  const again = await runCli(['load', '--root', root, file, '--json']);
  expect(again.last.summary.kept).toBeGreaterThan(0);
  expect(again.last.summary.applied + again.last.summary.kept).toBe(5_000);
  expect((await runCli(['verify', root, '--json'])).last.summary).toMatchObject({ outcome: 'good' });
});

test('a data root whose settings are gone is damage, not a new group', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'root');
  const file = writeRecords(folder, 'f.ndjson', [propertyRecord('g/n/1')]);
  await runCli(['load', '--root', root, file]);
  rmSync(join(root, 'data/g/group.json'));
  expect((await runCli(['load', '--root', root, file, '--json'])).last.error.code).toBe('damaged-file');
  mkdirSync(join(folder, 'other'));
  writeFileSync(join(folder, 'other/photo.jpg'), '');
  expect((await runCli(['load', '--root', join(folder, 'other'), file])).code).toBe(2);
});
