/** Settings: the example file, where values come from, and that every problem is told at once with its place. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CodedError } from '../../../src/lib/coded-error.ts';
import { parseYaml } from '../../../src/lib/yaml.ts';
import { exampleSettings } from '../../../src/settings/example.ts';
import {
  changedOptions,
  options,
  readSettings,
  reloadedSettings,
  type SettingProblem,
  unknownVariables,
} from '../../../src/settings/settings.ts';
import { runCli, temporaryFolder, writeRecords } from '../../support/run-cli.ts';

const examplePath = join(import.meta.dirname, '../../../config/tallystick.yaml');

async function problemsOf(text: string, environment: Record<string, string> = {}): Promise<SettingProblem[]> {
  const file = writeRecords(temporaryFolder(), 'settings.yaml', text.split('\n'));
  const error = await readSettings({ file, environment, flags: {} }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CodedError);
  expect((error as CodedError).code).toBe('bad-settings');
  return (error as CodedError).details['problems'] as SettingProblem[];
}

describe('the example file', () => {
  test('is the one the schema makes', () => {
    expect(readFileSync(examplePath, 'utf8')).toBe(exampleSettings());
  });

  test('sets nothing but defaults', async () => {
    const shown = await readSettings({ file: examplePath, environment: {}, flags: {} });
    expect(shown).toEqual(await readSettings({ file: null, environment: {}, flags: {} }));
  });

  test('is good with everything in it that stands as a comment', async () => {
    const text = exampleSettings()
      .split('\n')
      .filter((line) => !/^\s*# [^\s-]/.test(line) || /^(# )(\s*)(- )?[\w]+:( |$)/.test(line))
      .map((line) => line.replace(/^# /, ''))
      .join('\n');
    const file = writeRecords(temporaryFolder(), 'all.yaml', [text]);
    const settings = await readSettings({ file, environment: {}, flags: {} });
    expect(settings.tls).toEqual({
      cert: './tls/replica.pem',
      key: './tls/replica.key',
      ca: './tls/ca.pem',
      allow: ['replica-2'],
    });
    expect(settings.admin.tokens).toHaveLength(1);
    expect(settings.windows).toEqual([{ cron: '0 8 * * 1-5', lasts: 36_000_000 }]);
  });

  test.each(options)('tells what $path means', ({ path, meaning }) => {
    expect(meaning).toMatch(/^.{10,}\.$/);
    expect(exampleSettings()).toContain(`${path.split('.').at(-1)}:`);
  });

  test('is YAML', () =>
    expect(parseYaml('x', exampleSettings())).toMatchObject({ build: { quickDelay: '10m' } }));
});

describe('sources', () => {
  test('the environment overrides the file, flags override the environment', async () => {
    const file = writeRecords(temporaryFolder(), 'a.yaml', [
      'name: file',
      'root: from-file',
      'listen: 127.0.0.1:1',
    ]);
    const environment = {
      TALLYSTICK_NAME: 'environment',
      TALLYSTICK_LISTEN: '127.0.0.1:2',
      PATH: 'not ours',
    };
    const settings = await readSettings({ file, environment, flags: { name: 'flag', root: undefined } });
    expect(settings).toMatchObject({ name: 'flag', root: 'from-file', listen: { port: 2 } });
  });

  test('variables of numbers and booleans are read as such', async () => {
    const environment = {
      TALLYSTICK_BUILD_HALF_INTERVAL: 'true',
      TALLYSTICK_ROUND_SHARDS_PER_FIRING: '3',
      TALLYSTICK_ADMIN_LISTEN: '[::1]:0',
    };
    const settings = await readSettings({ file: null, environment, flags: {} });
    expect(settings.build.halfInterval).toBe(true);
    expect(settings.round.shardsPerFiring).toBe(3);
    expect(settings.admin.listen).toEqual({ host: '::1', port: 0 });
  });

  test('a variable that sets no option is told, but is no error', async () => {
    const environment = {
      TALLYSTICK_NAMEE: 'b',
      TALLYSTICK_SERVICE_HOST: '10.0.0.1',
      TALLYSTICK_SEED: '1',
      TALLYSTICK_NAME: 'a',
    };
    expect(unknownVariables(environment)).toEqual(['TALLYSTICK_NAMEE']);
    expect((await readSettings({ file: null, environment, flags: {} })).name).toBe('a');
  });

  test('a wrong variable is told with its name', async () => {
    const problems = await problemsOf('name: a', {
      TALLYSTICK_ROUND_CRON: 'often',
      TALLYSTICK_BUILD_HALF_INTERVAL: 'yes',
    });
    expect(problems.map(({ file, field, value }) => [file, field, value])).toEqual([
      ['TALLYSTICK_BUILD_HALF_INTERVAL', 'build.halfInterval', 'yes'],
      ['TALLYSTICK_ROUND_CRON', 'round.cron', 'often'],
    ]);
  });
});

describe('problems', () => {
  test('are all told, each with line, field and value', async () => {
    const problems = await problemsOf(
      [
        'name: one',
        'build:',
        "  cron: '@every ten'",
        '  quickDelay: soon',
        'listenn: 3',
        'historyDays: 0',
        'timeZone: Mars/Base',
      ].join('\n'),
    );
    expect(problems.map(({ line, field, value }) => [line, field, value]).sort()).toEqual([
      [3, 'build.cron', '@every ten'],
      [4, 'build.quickDelay', 'soon'],
      [5, 'listenn', 3],
      [6, 'historyDays', 0],
      [7, 'timeZone', 'Mars/Base'],
    ]);
  });

  test('name the element of a list, and keep tokens to themselves', async () => {
    const problems = await problemsOf(
      [
        'admin:',
        '  tokens:',
        '    - { name: a, role: viewer, tokenFile: x }',
        '    - name: b',
        '      role: boss',
        '      token: short',
      ].join('\n'),
    );
    expect(problems).toMatchObject([
      { line: 5, field: 'admin.tokens.1.role', value: 'boss' },
      { line: 6, field: 'admin.tokens.1.token', value: '(not shown)' },
    ]);
    expect(JSON.stringify(problems)).not.toContain('short"');
  });

  test('are told of a cluster, also of what excludes or needs each other, and of files that are not there', async () => {
    const cluster = (more: string): string[] => [
      `banyandb: [{ name: main, nodes: n.yaml, liaison: "127.0.0.1:1", ${more} }]`,
    ];
    const fields = async (more: string): Promise<string[]> =>
      (await problemsOf(cluster(more).join('\n'))).map(({ field }) => field);
    expect(await fields('pushRate: -1, pageMax: 0, deleteExpiry: 0.5')).toEqual([
      'banyandb.0.pushRate',
      'banyandb.0.deleteExpiry',
      'banyandb.0.pageMax',
    ]);
    expect(await fields('tlsCert: a.pem')).toEqual(['banyandb.0']);
    expect(await fields('repairTlsCa: a.pem, repairPlain: true')).toEqual(['banyandb.0.repairPlain']);
    const folder = temporaryFolder();
    const nodes = writeRecords(folder, 'n.yaml', ['nodes: []']);
    const more = `tlsCa: a.pem, repairTlsCa: ${folder}/b.pem, pushRate: 0, deleteExpiry: 30, pageMax: 128`;
    const file = writeRecords(folder, 's.yaml', [cluster(more).join('').replace('n.yaml', nodes)]);
    const { last } = await runCli(['config', 'check', file, '--json']);
    expect(last.error.problems).toMatchObject([
      { field: 'banyandb.0.tlsCa', value: 'a.pem' },
      { field: 'banyandb.0.repairTlsCa', value: `${folder}/b.pem` },
    ]);
    const { banyandb } = await readSettings({ file, environment: {}, flags: {} });
    expect(banyandb[0]).toMatchObject({ pushRate: 0, deleteExpiry: 30 * 86_400_000, pageMax: 128 * 2 ** 20 });
  });

  test('config check lists them and ends with 2', async () => {
    const file = writeRecords(temporaryFolder(), 'bad.yaml', ['nodes: ./absent.yaml', 'shards: some']);
    const { code, last } = await runCli(['config', 'check', file, '--json']);
    expect(code).toBe(2);
    expect(last.error).toMatchObject({
      code: 'bad-settings',
      problems: [{ line: 2, field: 'shards', value: 'some' }],
    });
    const nodes = writeRecords(temporaryFolder(), 'nodes.yaml', ['nodes: ./absent.yaml']);
    const second = await runCli(['config', 'check', nodes, '--json']);
    expect(second.last.error.problems).toMatchObject([{ field: 'nodes', value: './absent.yaml' }]);
    expect((await runCli(['config', 'check', examplePath])).code).toBe(0);
  });
});

test('a reload puts in force what can be, and tells the rest', async () => {
  const read = (lines: string[]) =>
    readSettings({
      file: writeRecords(temporaryFolder(), 'a.yaml', lines),
      environment: {},
      flags: { name: 'n' },
    });
  const before = await read(['listen: 127.0.0.1:1', 'log: { level: info }']);
  const after = await read(['listen: 127.0.0.1:2', 'log: { level: debug }', 'round: { cron: "@hourly" }']);
  expect(changedOptions(before, after)).toEqual({
    reloaded: ['round.cron', 'log.level'],
    needRestart: ['listen'],
  });
  expect(reloadedSettings(before, after)).toEqual({ ...after, listen: before.listen });
});
