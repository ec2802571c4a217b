/** What a process does when nobody listens to it any more, and when it is at fault itself. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { propertyRecord, temporaryFolder, runCli, writeRecords } from '../support/run-cli.ts';
import { ServeChild } from '../support/serve-child.ts';

const program = join(import.meta.dirname, '../../src/cli.ts');

test('a service outlives the reader of its log', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'one');
  await runCli(['load', '--root', root, writeRecords(folder, 'r.ndjson', [propertyRecord('g/n/1')])]);
  const address = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  await using child = await ServeChild.start(['--root', root, ...address]);
  child.process.stderr?.destroy();
  for (let times = 0; times < 3; times += 1) {
    const { id } = await child.post('/v1/builds', { force: true });
    // To its end, of which the log is told.
    await (await fetch(`http://${child.ready.admin}/v1/runs/${id}/events`)).text();
  }
  expect(await child.get('/livez')).toEqual({ status: 'live' });
  child.signal('SIGTERM');
  expect(await child.ended).toEqual({ code: 0, signal: null });
});

test.skipIf(!existsSync('/dev/full'))('an error that nobody can read ends with its code all the same', () => {
  const full = openSync('/dev/full', 'w');
  try {
    const { status } = spawnSync(process.execPath, [program, 'diff', 'a'], { stdio: ['ignore', full, full] });
    expect(status).toBe(2);
  } finally {
    closeSync(full);
  }
});

test('a fault of the program itself is an error, not a difference', async () => {
  const fault = 'data:text/javascript,setTimeout(() => { throw new Error("a fault") }, 10)';
  const argv = ['--import', fault, program, 'serve', '--root', temporaryFolder(), '--listen', '127.0.0.1:0'];
  const { status, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 20_000 });
  expect(status).toBe(2);
  expect(stderr).toMatch(/^tallystick: Error: a fault\n.*\[internal\]\n/ms);
});
