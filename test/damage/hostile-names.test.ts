/** Names that would lead elsewhere, at every door they could come in by: refused by name, and nothing is made of them. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { PeerShardCopy } from '../../src/peer/peer-shard-copy.ts';
import { propertyRecord, runCli, temporaryFolder, writeRecords } from '../support/run-cli.ts';
import { Cluster, type Replica } from '../support/running-service.ts';
import { makeVersion } from '../support/versions.ts';

const names = [
  '',
  '.',
  '..',
  '../escaped',
  '../../escaped',
  '/tmp/escaped',
  'a/b',
  'a\\b',
  'a\u0000b',
  'x'.repeat(201),
  'CON',
  'nul.txt',
  'trailing.',
  'trailing ',
];

let cluster: Cluster;
let one: Replica;
let before: string[] = [];

/** All files of the cluster, but for the logs that come and go and what tests load. */
function everything(): string[] {
  const names = readdirSync(cluster.directory, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => !/-(wal|shm)$|\.ndjson$/.test(name)).sort();
}

beforeAll(async () => {
  cluster = await Cluster.create();
  await cluster.load('one', { a: 5 });
  one = await cluster.start('one');
  before = everything();
});
afterAll(() => cluster[Symbol.asyncDispose]());

afterEach(() => {
  expect(everything()).toEqual(before);
  for (const outside of ['/tmp/escaped', join(cluster.directory, '../escaped')])
    expect(existsSync(outside)).toBe(false);
});

describe.each(names)('a group of the name %j', (group) => {
  test('is not loaded, read, deleted from, searched or built', async () => {
    const root = cluster.root('one');
    const record = { ...propertyRecord('g/n/a'), metadata: { group, name: 'n', modRevision: '5' } };
    const file = writeRecords(temporaryFolder(), 'records.ndjson', [record]);
    expect(await runCli(['load', '--root', root, file, '--json'])).toMatchObject({
      code: 2,
      last: { error: { code: 'bad-records' } },
    });
    for (const argv of [
      ['get', '--root', root, `${group}/n/a`],
      ['delete', '--root', root, `${group}/n/a`],
      ['search', '--root', root, 'a', '--group', group],
      ['build', root, '--group', group],
      ['inspect', root, '--group', group],
      ['verify', root, '--group', group],
      ['diff', root, one.service.address ?? '', '--group', group],
    ]) {
      const { code, last } = await runCli([...argv, '--json']);
      // A slash in a group makes another entity of the text, which is not there.
      expect({ argv, code }).toEqual({
        argv,
        code:
          group.includes('/') && argv[0] === 'get'
            ? expect.toSatisfy((given) => given === 1 || given === 2)
            : 2,
      });
      if (code === 2) expect(['bad-argument', 'not-found'], argv.join(' ')).toContain(last.error.code);
    }
  });

  test('is taken from no peer', async () => {
    using client = new PeerClient({ place: one.service.address ?? '', clock: systemClock });
    const copy = new PeerShardCopy(client, group, 0);
    const refused = { code: expect.stringMatching(/^(bad-argument|bad-message|not-found)$/) };
    await expect(copy.openView()).rejects.toMatchObject(refused);
    const open = copy.openApply({ settings: { shards: 1, slots: 32, spelling: 'compact' }, confirmed: null });
    await expect(open).rejects.toMatchObject(refused);
    const fetched = (async () => {
      for await (const found of copy.fetch([makeVersion({ id: 'a', revision: 1n }).key]))
        expect(found).toBe(null);
    })();
    await expect(fetched).rejects.toMatchObject(refused);
  });

  test('is ordered by nobody', async () => {
    const answer = {
      status: expect.toSatisfy((status) => [400, 404, 414].includes(status)),
      body: { code: expect.stringMatching(/^(bad-argument|not-found)$/) },
    };
    for (const path of ['/v1/builds', '/v1/repairs']) {
      const { status, body } = await one.post(path, {
        group,
        ...(path === '/v1/repairs' && { entity: `${group}/n/a` }),
      });
      expect({ status, body }).toMatchObject(answer);
    }
    const name = encodeURIComponent(group);
    for (const path of [
      `/v1/shards/${name}/0`,
      `/v1/properties/${name}/n/a`,
      `/v1/properties?group=${name}`,
      `/v1/search?text=a&group=${name}`,
    ]) {
      // An address that says . or .. is another address before it is sent.
      if (['.', '..', ''].includes(group) && !path.includes('?')) continue;
      expect(await one.get(path)).toMatchObject(answer);
    }
  });
});

describe('a folder that another name leads to', () => {
  test('is no second group: its index says whose it is', async () => {
    const root = join(temporaryFolder(), 'root');
    const load = (entity: string) =>
      runCli([
        'load',
        '--root',
        root,
        writeRecords(dirname(root), 'records.ndjson', [propertyRecord(entity, 5)]),
        '--json',
      ]);
    expect(await load('ui/n/a')).toMatchObject({ code: 0 });
    // As on a disk that does not tell cases apart.
    symlinkSync('ui', join(root, 'data/UI'));
    expect(await load('UI/n/a')).toMatchObject({
      code: 2,
      last: { error: { code: 'damaged-database', message: expect.stringContaining('belongs to group ui') } },
    });
    expect(await runCli(['get', '--root', root, 'UI/n/a', '--json'])).toMatchObject({ code: 2 });
    expect(await runCli(['get', '--root', root, 'ui/n/a'])).toMatchObject({ code: 0 });
    expect(await runCli(['verify', root, '--group', 'ui'])).toMatchObject({ code: 0 });
  });

  test('outside the data root is used as the operator laid it', async () => {
    const folder = temporaryFolder();
    const root = join(folder, 'root');
    const file = writeRecords(folder, 'records.ndjson', [propertyRecord('g/n/a', 5)]);
    expect(await runCli(['load', '--root', root, file])).toMatchObject({ code: 0 });
    cpSync(join(root, 'data'), join(folder, 'elsewhere'), { recursive: true });
    const linked = join(folder, 'linked');
    mkdirSync(linked);
    symlinkSync('../elsewhere', join(linked, 'data'));
    expect(await runCli(['build', linked])).toMatchObject({ code: 0 });
    expect(await runCli(['verify', linked])).toMatchObject({ code: 0 });
    expect(await runCli(['build', root])).toMatchObject({ code: 0 });
    expect(await runCli(['diff', root, linked])).toMatchObject({ code: 0 });
  });

  test('to nowhere is an error that names it', async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, 'data'));
    symlinkSync('nowhere', join(root, 'data/g'));
    const file = writeRecords(root, 'records.ndjson', [propertyRecord('g/n/a', 5)]);
    expect(await runCli(['load', '--root', root, file, '--json'])).toMatchObject({
      code: 2,
      last: { error: { message: expect.stringContaining(join(root, 'data/g')) } },
    });
  });
});

test.each(['../escaped', '/tmp/escaped', 'a\u0000b', 'CON'])(
  'a plan for the group %j is refused',
  async (group) => {
    const folder = temporaryFolder();
    const plan = join(folder, 'plan');
    await cluster.load('other', { a: 5, b: 6 });
    const other = cluster.root('other');
    expect((await runCli(['repair', cluster.root('one'), other, '--dry-run', '--plan', plan])).code).toBe(1);

    const text = readFileSync(plan, 'utf8').replaceAll('"group":"g"', `"group":${JSON.stringify(group)}`);
    writeFileSync(plan, text);
    expect(await runCli(['repair', cluster.root('one'), other, '--plan', plan, '--json'])).toMatchObject({
      code: 2,
      last: { error: { code: 'bad-plan' } },
    });
    rmSync(other, { recursive: true });
    before = everything();
  },
);
