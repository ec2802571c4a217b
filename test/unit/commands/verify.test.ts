/** The `verify` verb: damage of every kind is found and told, and nothing else is called damage. */
import {
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { beforeEach, describe, expect, test } from 'vitest';
import { goldenRoot } from '../../support/golden.ts';
import { propertyRecord, runCli, temporaryFolder, writeRecords } from '../../support/run-cli.ts';

let folder = '';
let root = '';

beforeEach(async () => {
  folder = temporaryFolder();
  root = join(folder, 'root');
  const records = Array.from({ length: 400 }, (_, number) =>
    propertyRecord(`g/n/${number}`, number + 1, { a: `text ${number}` }),
  );
  await runCli(['load', '--root', root, '--shards', '2', writeRecords(folder, 'r.ndjson', records)]);
  await runCli(['build', root]);
});

function treePath(shard = 0, group = 'g'): string {
  const directory = join(root, 'trees', group, `shard-${shard}`);
  const name = readdirSync(directory).find((file) => file.endsWith('.tree'));
  return join(directory, name ?? 'absent');
}

function flipByte(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0x40;
  writeFileSync(path, bytes);
}

function changeIndex(sql: string, shard = 0): void {
  const database = new SqliteDatabase(join(root, `data/g/shard-${shard}/property.db`));
  database.exec(sql);
  database.close();
}

async function expectDamage(place: string, ...messages: (string | RegExp)[]) {
  const verified = await runCli(['verify', place, '--json']);
  expect(verified.code).toBe(1);
  const { summary } = verified.last;
  expect(summary.outcome).toBe('damaged');
  expect(summary.problemCount).toBe(summary.problems.length);
  for (const problem of summary.problems) {
    expect(Object.keys(problem).sort()).toEqual([
      'entity',
      'file',
      'group',
      'message',
      'offset',
      'place',
      'shard',
    ]);
    expect(problem.place).toBe(place);
  }
  const told = summary.problems.map(({ message }: { message: string }) => message);
  for (const message of messages) expect(told).toContainEqual(expect.stringMatching(message));
  const readable = await runCli(['verify', place]);
  expect(readable.code).toBe(1);
  expect(readable.stdout).toContain(summary.problems[0].message);
  return summary;
}

test('what is good is good', async () => {
  const { code, lines } = await runCli(['verify', root, '--json']);
  expect(code).toBe(0);
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatchObject({ group: 'g', shard: 0, generation: 1, stale: false, problems: 0 });
  expect(lines[2]).toEqual({
    summary: {
      outcome: 'good',
      stale: false,
      shards: 2,
      leaves: 400,
      withoutTree: 0,
      problemCount: 0,
      problems: [],
    },
  });
  expect((await runCli(['verify', root, '--shard', '1', '--json'])).lines).toHaveLength(2);
});

test('an index that moved on is no damage, and said', async () => {
  await runCli(['delete', '--root', root, 'g/n/7']);
  await runCli([
    'load',
    '--root',
    root,
    writeRecords(folder, 'more.ndjson', [propertyRecord('g/n/more', 9)]),
  ]);
  const { code, last } = await runCli(['verify', root, '--json']);
  expect(code).toBe(0);
  expect(last.summary).toMatchObject({ outcome: 'good', stale: true });
});

test('a missing tree is told and is no damage', async () => {
  rmSync(join(root, 'trees'), { recursive: true });
  const { code, lines } = await runCli(['verify', root, '--json']);
  expect(code).toBe(0);
  expect(lines[0]).toMatchObject({ generation: null, root: null, leaves: null, problems: 0 });
  expect(lines.at(-1)?.summary).toMatchObject({ outcome: 'good', withoutTree: 2 });
});

describe('damage of a tree', () => {
  test('a flipped bit anywhere', async () => {
    const path = treePath();
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 25)) {
      flipByte(path, at);
      const summary = await expectDamage(root, /./);
      expect(summary.problems[0]).toMatchObject({ file: path, group: 'g', shard: 0 });
      await expectDamage(path, /./);
      writeFileSync(path, whole);
    }
  });

  test('a flipped bit in several slots is told for each, with its place', async () => {
    const path = treePath();
    for (const at of [2_000, 8_000, 14_000]) flipByte(path, at);
    const { problems } = await expectDamage(path, /checksum fails/);
    expect(problems).toHaveLength(3);
    for (const { offset, file } of problems) {
      expect(offset).toBeGreaterThan(0);
      expect(file).toBe(path);
    }
  });

  test('a cut file, and one of nothing', async () => {
    truncateSync(treePath(), 1_000);
    await expectDamage(root, /damaged/);
    const empty = join(folder, 'empty');
    writeFileSync(empty, '');
    await expectDamage(empty, /./);
  });

  test('a tree of another shard', async () => {
    copyFileSync(treePath(1), treePath(0));
    await expectDamage(root, 'it is of group g, shard 1', 'absent from the index');
  });
});

describe('damage of the index', () => {
  test('a leaf that differs from the tree, though the watermark is its', async () => {
    changeIndex('DELETE FROM leaf WHERE entity_key = (SELECT min(entity_key) FROM leaf)');
    const { problems } = await expectDamage(
      root,
      'absent from the index',
      /counts \d+ leaves and holds/,
      /values for/,
    );
    expect(problems[0].entity).toMatch(/^g\/n\/\d+$/);
  });

  test('a value that was changed', async () => {
    changeIndex("UPDATE source SET text = replace(text, 'text ', 'test ') WHERE source_id = 5");
    const { problems } = await expectDamage(root, 'its digest is not that of its value');
    expect(problems).toHaveLength(1);
  });

  test('a value that is no property, spelled otherwise, or gone', async () => {
    changeIndex(`UPDATE source SET text = '{"metadata":' WHERE source_id = 3`);
    changeIndex("UPDATE source SET text = replace(text, ',', ', ') WHERE source_id = 5");
    changeIndex('DELETE FROM source WHERE source_id = 7');
    await expectDamage(root, 'its value is no property', 'is not spelled compact', 'its value is gone');
  });

  test('a placement that is wrong', async () => {
    changeIndex("UPDATE leaf SET placement = x'00000003' WHERE source_id = 2");
    await expectDamage(root, 'placement');
  });

  test('an older version than the tree', async () => {
    changeIndex(
      "UPDATE leaf SET version = CAST(x'8000000000000000' || substr(version, 9) AS BLOB) WHERE source_id = 2",
    );
    await expectDamage(root, 'the index has an older version than the tree');
  });

  test('counts that are wrong', async () => {
    changeIndex('UPDATE shard SET live_count = live_count + 1, revision_max = 5');
    await expectDamage(root, 'live properties', 'greatest revision');
  });

  test('a database that was overwritten, and one that is gone', async () => {
    const path = join(root, 'data/g/shard-0/property.db');
    const whole = readFileSync(path);
    writeFileSync(path, Buffer.concat([whole.subarray(0, 4_096), Buffer.alloc(whole.length - 4_096, 0x5a)]));
    await expectDamage(root, /./);
    writeFileSync(path, 'no database at all');
    await expectDamage(root, 'damaged');
    rmSync(path);
    await expectDamage(root, 'there is no property index');
  });

  test('settings that are gone or of another opinion', async () => {
    const path = join(root, 'data/g/group.json');
    const whole = readFileSync(path, 'utf8');
    writeFileSync(path, whole.replace('compact', 'spaced'));
    await expectDamage(root, 'its group of 2 spelled spaced', 'its group is spaced');
    rmSync(path);
    await expectDamage(root, 'settings');
    rmSync(join(root, 'data/g'), { recursive: true });
    await expectDamage(root, 'there are trees of group g and no properties');
  });
});

test("BanyanDB's tree file is verified too", async () => {
  const recorded = join(goldenRoot, 'wide/shard-0/state-tree.data');
  const good = await runCli(['verify', recorded, '--json']);
  expect(good.code).toBe(0);
  expect(good.lines[0]).toMatchObject({ group: 'wide', shard: 0, leaves: 2_553, generation: null });
  const copy = join(folder, 'state-tree.data');
  cpSync(recorded, copy);
  flipByte(copy, 70_000);
  await expectDamage(copy, /./);
});

test.each([
  ['an absent place', ['verify', 'ABSENT'], 'not-found'],
  ['no place', ['verify'], 'bad-argument'],
  ['a folder of other things', ['verify', 'FOLDER'], 'bad-argument'],
  ['an absent group', ['verify', 'ROOT', '--group', 'absent'], 'not-found'],
  ['an absent shard', ['verify', 'ROOT', '--shard', '2'], 'not-found'],
] as const)('%s is an error', async (_, argv, code) => {
  const places: Record<string, string> = { ABSENT: join(folder, 'absent'), FOLDER: folder, ROOT: root };
  const refused = await runCli([...argv.map((word) => places[word] ?? word), '--json']);
  expect(refused).toMatchObject({ code: 2, last: { error: { code } } });
});
