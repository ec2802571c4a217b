/** Wrong arguments: told with the argument's name and its value, exit code 2, whatever parser found them. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../../support/run-cli.ts';

test.each([
  [['load', '--root', 'r', '--shards', '0', 'f'], 'shards', '0'],
  [['load', '--root', 'r', '--spelling', "it's", 'f'], 'spelling', "it's"],
  [['load', '--root', 'r'], 'file', null],
  [['load', 'f'], 'root', null],
  [['diff', 'a', 'b', '--shard', '-1'], 'shard', '-1'],
  [['diff', 'a', 'b', '--group'], 'group', null],
  [['diff', 'a', 'b', '--colour'], 'option', '--colour'],
  [['repair', 'a', 'b', '--confirm', '1e3'], 'confirm', '1e3'],
  [['inspect', 'a', 'b'], 'arguments', 'a, b'],
  [['verify', '127.0.0.1:17961'], 'place', '127.0.0.1:17961'],
])('%j', async (argv, field, value) => {
  const [verb = '', ...rest] = argv;
  const { code, last } = await runCli([verb, '--json', ...rest]);
  expect(code).toBe(2);
  expect(last.error).toMatchObject({ code: 'bad-argument', field, value });
});

test.skipIf(!existsSync('/dev/full'))(
  'what cannot be written to stdout is an error, not a difference',
  () => {
    const full = openSync('/dev/full', 'w');
    try {
      const program = join(import.meta.dirname, '../../../src/cli.ts');
      const { status, stderr } = spawnSync(process.execPath, [program, '--version'], {
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
      });
      expect(status).toBe(2);
      expect(stderr).toMatch(/^tallystick: stdout: ENOSPC.* \[io\]\n$/);
    } finally {
      closeSync(full);
    }
  },
);

test('a verb that does not exist is named before its options are looked at', async () => {
  const { code, last } = await runCli(['mend', '--now', '--json']);
  expect(code).toBe(2);
  expect(last.error).toMatchObject({ code: 'bad-argument', field: 'verb', value: 'mend' });
});

test('without a verb the help is shown, and it is an error', async () => {
  const { code, stdout, stderr } = await runCli([]);
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain('Usage: tallystick');
});
