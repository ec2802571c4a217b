/** The verbs over replicas: `build`, `inspect`, `diff`, `repair`: what scripts rely on, and how they refuse. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { goldenRoot } from '../../support/golden.ts';
import { propertyRecord, runCli, temporaryFolder, writeRecords } from '../../support/run-cli.ts';

const digest = expect.stringMatching(/^[0-9a-f]{128}$/);

let folder = '';

beforeEach(() => {
  folder = temporaryFolder();
});

/** A data root with these records. */
async function replica(name: string, records: readonly unknown[], ...options: string[]): Promise<string> {
  const root = join(folder, name);
  const loaded = await runCli([
    'load',
    '--root',
    root,
    ...options,
    writeRecords(folder, `${name}.ndjson`, records),
  ]);
  expect(loaded.code, loaded.stderr).toBe(0);
  return root;
}

/** Two replicas that differ in a missed write, an older revision and a missed delete, with trees. */
async function drifted(): Promise<[string, string]> {
  const same = Array.from({ length: 20 }, (_, number) => propertyRecord(`g/n/same/${number}`, 5));
  const one = await replica('one', [
    ...same,
    propertyRecord('g/n/missed', 7),
    propertyRecord('g/n/older', 7),
    propertyRecord('g/n/gone', 8),
  ]);
  const gone = { property: propertyRecord('g/n/gone', 8), deleteTime: '9' };
  const two = await replica('two', [...same, propertyRecord('g/n/older', 8), gone]);
  for (const root of [one, two]) await runCli(['build', root]);
  return [one, two];
}

describe('build', () => {
  test('builds each shard, skips what is unchanged, and builds all with --force', async () => {
    const root = await replica('one', [propertyRecord('g/n/1'), propertyRecord('g/n/2')], '--shards', '2');
    const built = await runCli(['build', root, '--json']);
    expect(built.code).toBe(0);
    for (const shard of [0, 1]) {
      const line = { group: 'g', shard, generation: 1, outcome: 'built', reason: null };
      expect(built.lines[shard]).toMatchObject(line);
      expect(Object.keys(built.lines[shard])).toEqual(
        expect.arrayContaining(['group', 'shard', 'generation', 'root', 'leaves', 'outcome', 'reason']),
      );
    }
    const again = await runCli(['build', '--root', root, '--json']);
    expect(again.lines[0]).toMatchObject({
      outcome: 'skipped',
      reason: 'unchanged',
      root: built.lines[0].root,
    });
    const forced = await runCli(['build', root, '--force', '--json']);
    expect(forced.lines[0]).toMatchObject({ outcome: 'built', generation: 2, root: built.lines[0].root });
  });

  test('changes the slot count of a group', async () => {
    const root = await replica('one', [propertyRecord('g/n/1')]);
    await runCli(['build', root, '--slots', '4']);
    const { lines } = await runCli(['inspect', root, '--json']);
    expect(lines[0].slotScheme).toEqual({ hash: 'xxh64', seed: '0', slots: 4 });
    expect((await runCli(['build', root, '--slots', '5', '--json'])).last.error.code).toBe('bad-argument');
  });
});

describe('inspect', () => {
  test('tells header, slots and leaves', async () => {
    const gone = { property: propertyRecord('g/n/1', 3), deleteTime: '4' };
    const root = await replica('one', [gone, propertyRecord('g/n/2', 5)]);
    await runCli(['build', root]);
    const { code, lines } = await runCli(['inspect', root, '--leaves', '--json']);
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({
      group: 'g',
      shard: 0,
      generation: 1,
      slotScheme: { hash: 'xxh64', seed: '0', slots: 32 },
      spelling: 'compact',
      root: digest,
      leaves: 2,
    });
    for (const slot of lines[0].slots) expect(slot).toEqual({ slot: expect.any(Number), digest, leaves: 1 });
    const leaves = lines.filter((line) => 'entity' in line).sort((a, b) => (a.entity < b.entity ? -1 : 1));
    expect(leaves).toEqual([
      { slot: expect.any(Number), entity: 'g/n/1', digest, revision: '3', deleteTime: '4' },
      { slot: expect.any(Number), entity: 'g/n/2', digest, revision: '5', deleteTime: '0' },
    ]);
  });

  test('an empty shard has an empty root, a foreign file nulls for what it does not tell', async () => {
    const root = await replica('one', [propertyRecord('g/n/1')], '--shards', '2');
    await runCli(['build', root]);
    const { lines } = await runCli(['inspect', root, '--json']);
    const empty = lines.find(({ leaves }) => leaves === 0);
    expect(empty).toMatchObject({ root: '', slots: [] });
    const foreign = await runCli([
      'inspect',
      join(goldenRoot, 'wide/shard-0/state-tree.data'),
      '--leaves',
      '--json',
    ]);
    expect(foreign.lines[0]).toMatchObject({
      group: 'wide',
      generation: null,
      slotScheme: null,
      spelling: null,
      leaves: 2_553,
    });
    expect(foreign.lines[1]).toMatchObject({ revision: null, deleteTime: null, digest });
  });
});

describe('diff', () => {
  test('tells who has what and who wins, and changes nothing', async () => {
    const [one, two] = await drifted();
    const { code, lines, last } = await runCli(['diff', one, two, '--json']);
    expect(code).toBe(1);
    const entities = Object.fromEntries(lines.slice(0, -1).map((line) => [line.entity, line]));
    expect(Object.keys(entities).sort()).toEqual(['g/n/gone', 'g/n/missed', 'g/n/older']);
    expect(entities['g/n/gone']).toEqual({
      group: 'g',
      shard: 0,
      entity: 'g/n/gone',
      copies: [
        { place: one, state: 'live', revision: '8', deleteTime: '0', digest },
        { place: two, state: 'deleted', revision: '8', deleteTime: '9', digest },
      ],
      winner: { revision: '8', deleteTime: '9', digest },
    });
    expect(entities['g/n/missed'].copies[1]).toEqual({
      place: two,
      state: 'absent',
      revision: null,
      deleteTime: null,
      digest: null,
    });
    expect(last.summary).toMatchObject({ outcome: 'differs', differing: 3, stale: false });
    for (const name of ['slotsCompared', 'leavesRead']) expect(last.summary[name]).toBeGreaterThan(0);
    expect((await runCli(['diff', one, two, '--json'])).lines).toEqual(lines);
  });

  test('a place without a tree is inconclusive, one that moved on is said', async () => {
    const [one, two] = await drifted();
    await runCli(['delete', '--root', one, 'g/n/same/1']);
    expect((await runCli(['diff', one, two, '--json'])).last.summary).toMatchObject({
      outcome: 'differs',
      stale: true,
    });
    const three = await replica('three', [propertyRecord('g/n/1')]);
    const inconclusive = await runCli(['diff', one, three, '--json']);
    expect(inconclusive.code).toBe(3);
    expect(inconclusive.last.summary.outcome).toBe('inconclusive');
  });

  test('a group that is absent at a place is a copy with nothing in it', async () => {
    const one = await replica('one', [propertyRecord('g/n/1'), propertyRecord('h/n/1')]);
    const two = await replica('two', [propertyRecord('g/n/1')]);
    for (const root of [one, two]) await runCli(['build', root]);
    const { code, lines } = await runCli(['diff', one, two, '--json']);
    expect(code).toBe(1);
    expect(lines.map(({ entity }) => entity)).toEqual(['h/n/1', undefined]);
    expect((await runCli(['diff', one, two, '--group', 'g'])).code).toBe(0);
  });
});

describe('repair', () => {
  test('makes the places agree, and ships nothing the second time', async () => {
    const [one, two] = await drifted();
    const dry = await runCli(['repair', one, two, '--dry-run', '--json']);
    expect(dry.code).toBe(1);
    expect(dry.last.summary).toMatchObject({ outcome: 'differs', differing: 3, changed: 0, shipped: 0 });
    const { code, lines, last } = await runCli(['repair', one, two, '--json']);
    expect(code).toBe(0);
    expect(last.summary).toMatchObject({
      outcome: 'repaired',
      reason: null,
      stale: false,
      otherSpelling: 0,
      differing: 3,
      changed: 3,
      kept: 0,
      failed: 0,
      shipped: 3,
      bytes: expect.any(Number),
    });
    const changes = Object.fromEntries(lines.slice(0, -1).map((line) => [line.entity, line]));
    expect(changes['g/n/gone']).toMatchObject({
      group: 'g',
      shard: 0,
      place: one,
      before: { revision: '8', deleteTime: '0', digest },
      after: { revision: '8', deleteTime: '9', digest },
      reason: 'missed delete',
    });
    expect(changes['g/n/missed']).toMatchObject({ place: two, before: null });
    expect((await runCli(['diff', one, two])).code).toBe(0);
    const again = await runCli(['repair', one, two, '--json']);
    expect(again).toMatchObject({
      code: 0,
      last: { summary: { outcome: 'matched', changed: 0, shipped: 0, bytes: 0 } },
    });
  });

  test('a plan is kept by a dry run and carried out later', async () => {
    const [one, two] = await drifted();
    const plan = join(folder, 'repair.plan');
    expect((await runCli(['repair', one, two, '--dry-run', '--plan', plan])).code).toBe(1);
    writeFileSync(join(folder, 'cut.plan'), readFileSync(plan).subarray(0, -10));
    const cut = await runCli(['repair', one, two, '--plan', join(folder, 'cut.plan'), '--json']);
    expect(cut).toMatchObject({ code: 2, last: { error: { code: 'bad-plan' } } });
    const none = join(folder, 'none.plan');
    const absent = await runCli(['repair', one, two, '--plan', none, '--json']);
    expect(absent).toMatchObject({ code: 2, last: { error: { code: 'not-found', path: none } } });
    const three = await replica('three', [propertyRecord('g/n/elsewhere', 5)]);
    const carried = await runCli(['repair', one, two, three, '--plan', plan, '--json']);
    const leftOut = { copies: 1, places: [three] };
    expect(carried).toMatchObject({
      code: 0,
      last: { summary: { outcome: 'repaired', changed: 3, leftOut } },
    });
    expect((await runCli(['diff', one, two])).code).toBe(0);
  });

  test('the fuse stops a mass replacement with its number, which then lets it pass', async () => {
    const entities = Array.from({ length: 150 }, (_, number) => `g/n/${number}`);
    const one = await replica(
      'one',
      entities.map((entity) => propertyRecord(entity, 5)),
    );
    const two = await replica(
      'two',
      entities.map((entity) => propertyRecord(entity, 6)),
    );
    const stopped = await runCli(['repair', one, two, '--json']);
    expect(stopped).toMatchObject({ code: 2, last: { error: { code: 'fuse', count: 150 } } });
    expect((await runCli(['get', '--root', one, 'g/n/1', '--json'])).last.revision).toBe('5');
    expect((await runCli(['repair', one, two, '--confirm', '149', '--json'])).last.error.code).toBe('fuse');
    const passed = await runCli(['repair', one, two, '--confirm', '150', '--json']);
    expect(passed).toMatchObject({ code: 0, last: { summary: { outcome: 'repaired', changed: 150 } } });
  });

  test('an absent group is created with the settings of the other place', async () => {
    const one = await replica(
      'one',
      [propertyRecord('g/n/1'), propertyRecord('h/n/1')],
      '--shards',
      '2',
      '--slots',
      '8',
    );
    const two = await replica('two', [propertyRecord('g/n/1')], '--shards', '2', '--slots', '8');
    expect((await runCli(['repair', one, two])).code).toBe(0);
    const settings = (root: string) => readFileSync(join(root, 'data/h/group.json'), 'utf8');
    expect(settings(two)).toBe(settings(one));
    expect((await runCli(['diff', one, two])).code).toBe(0);
  });

  test('a tree file is refused', async () => {
    const [one] = await drifted();
    const file = join(one, 'trees/g/shard-0/0000000000000001.tree');
    expect(existsSync(file)).toBe(true);
    expect(await runCli(['repair', one, file, '--json'])).toMatchObject({
      code: 2,
      last: { error: { code: 'read-only' } },
    });
    expect(await runCli(['diff', one, file, '--json'])).toMatchObject({
      code: 0,
      last: { summary: { outcome: 'matched' } },
    });
  });
});

test.each([['diff'], ['repair']])('%s refuses places that cannot be compared', async (verb) => {
  const one = await replica('one', [propertyRecord('g/n/1')]);
  const shards = await replica('shards', [propertyRecord('g/n/1')], '--shards', '2');
  const slots = await replica('slots', [propertyRecord('g/n/1')], '--slots', '64');
  const other = await replica('other', [propertyRecord('h/n/1')]);
  for (const root of [one, shards, slots, other]) await runCli(['build', root]);
  const code = async (...argv: string[]) => (await runCli([verb, ...argv, '--json'])).last.error?.code;
  expect(await code(one, shards)).toBe('settings-differ');
  expect(await code(one, slots)).toBe('settings-differ');
  expect(await code(one)).toBe('bad-argument');
  expect(await code(one, one)).toBe('bad-argument');
  expect(await code()).toBe('bad-argument');
  expect(await code(one, join(folder, 'absent'))).toBe('not-found');
  expect(await code(one, other, '--group', 'absent')).toBe('not-found');
  expect(await code(one, other, '--shard', '9')).toBe('not-found');
  const letter = writeRecords(folder, 'letter.txt', ['hello']);
  expect(await code(one, letter)).toBe(verb === 'diff' ? 'damaged-file' : 'read-only');
});
