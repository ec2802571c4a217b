/**
 * A database that can grow no more, and folders that may not be written, under the verbs that write: each ends
 * with a coded error and exit code 2, nothing that was acknowledged is lost, and with room again it goes on.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import { propertyRecord, runCli, temporaryFolder, writeRecords } from '../support/run-cli.ts';
import { makeVersion } from '../support/versions.ts';

let folder = '';
let root = '';
let file = '';
const text = 'x'.repeat(2_000);
const records = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => propertyRecord(`g/n/${from + at}`, 5, { text }));

beforeEach(async () => {
  folder = temporaryFolder();
  root = join(folder, 'root');
  file = writeRecords(folder, 'first.ndjson', records(0, 20));
  expect(await runCli(['load', '--root', root, file])).toMatchObject({ code: 0 });
  expect(await runCli(['build', root])).toMatchObject({ code: 0 });
});
afterEach(() => void vi.restoreAllMocks());

/** From now on no database that is opened for writing takes more pages than it has, and a few. */
function fillDatabases(more: number): void {
  const pragma = SqliteDatabase.prototype.pragma;
  vi.spyOn(SqliteDatabase.prototype, 'pragma').mockImplementation(function (
    this: SqliteDatabase.Database,
    source,
    options,
  ) {
    const result = pragma.call(this, source, options);
    if (source === 'synchronous = FULL') {
      const pages = pragma.call(this, 'page_count', { simple: true });
      pragma.call(this, `max_page_count = ${Number(pages) + more}`);
    }
    return result;
  });
}

describe('a full database', () => {
  test('under load: what is told as written is there, and loading again goes on', async () => {
    const more = writeRecords(folder, 'more.ndjson', records(20, 4_000));
    fillDatabases(20);
    const { code, last } = await runCli(['load', '--root', root, more, '--json']);
    expect(code).toBe(2);
    expect(last).toMatchObject({
      error: { code: 'io', sqlite: 'SQLITE_FULL', path: join(root, 'data/g/shard-0/property.db') },
    });
    vi.restoreAllMocks();
    expect(await runCli(['verify', root])).toMatchObject({ code: 0 });
    expect(await runCli(['get', '--root', root, 'g/n/19'])).toMatchObject({ code: 0 });
    expect(await runCli(['load', '--root', root, more])).toMatchObject({ code: 0 });
    const { lines } = await runCli(['build', root, '--json']);
    expect(lines[0]).toMatchObject({ leaves: 4_000 });
  });

  test('under an apply: the batch is not there, the batches before are, and the session goes on', async () => {
    fillDatabases(10);
    const copy = new LocalShardCopy({ root, group: 'g', shard: 0, clock: systemClock });
    await using session = await copy.openApply({
      settings: { shards: 1, slots: 32, spelling: 'compact' },
      confirmed: null,
    });
    const small = makeVersion({ id: 'small', revision: 9n });
    expect(await session.apply([small])).toMatchObject([{ result: 'applied' }]);
    const large = Array.from({ length: 50 }, (_, id) =>
      makeVersion({ id: `large-${id}`, revision: 9n, value: text }),
    );
    await expect(session.apply(large)).rejects.toMatchObject({
      code: 'io',
      details: { sqlite: 'SQLITE_FULL' },
    });
    expect(await session.apply([small])).toMatchObject([{ result: 'kept' }]);
    vi.restoreAllMocks();
    expect(await runCli(['get', '--root', root, 'g/n/small'])).toMatchObject({ code: 0 });
    expect(await runCli(['get', '--root', root, 'g/n/large-0'])).toMatchObject({ code: 1 });
    expect(await runCli(['verify', root])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('index of 21'),
    });
  });

  test('under a delete that needs no room, it is done', async () => {
    fillDatabases(0);
    expect(await runCli(['delete', '--root', root, 'g/n/1'])).toMatchObject({ code: 0 });
    vi.restoreAllMocks();
    expect(await runCli(['get', '--root', root, 'g/n/1'])).toMatchObject({ code: 1 });
  });
});

// A superuser may write anywhere, so the verbs then run as nobody.
describe.runIf(process.platform === 'linux')('a data root that may not be written', () => {
  const nobody = 65_534;
  const superuser = process.getuid?.() === 0;

  /** Runs a verb in a process of its own, as who may not write. */
  function run(argv: readonly string[], cwd: string): { code: number | null; last: unknown } {
    const cli = join(import.meta.dirname, '../../src/cli.ts');
    const { status, stdout } = spawnSync(process.execPath, [cli, ...argv, '--json'], {
      cwd,
      encoding: 'utf8',
      env: { HOME: cwd, PATH: '' },
      ...(superuser && { uid: nobody, gid: nobody }),
    });
    return { code: status, last: JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? 'null') };
  }

  test('is read, and whatever would write ends with 2 and names the place', { timeout: 120_000 }, () => {
    const readOnly = mkdtempSync(join(tmpdir(), 'tallystick-read-only-'));
    onTestFinished(() => {
      for (const path of tree(readOnly)) chmodSync(path, 0o755);
      rmSync(readOnly, { recursive: true });
    });
    cpSync(root, readOnly, { recursive: true });
    writeRecords(readOnly, 'newer.ndjson', [propertyRecord('g/n/1', 6)]);
    for (const path of tree(readOnly).reverse()) {
      if (superuser) chownSync(path, nobody, nobody);
      chmodSync(path, /\.\w+$/.test(path) ? 0o444 : 0o555);
    }
    expect(run(['inspect', readOnly], readOnly)).toMatchObject({ code: 0 });
    expect(run(['get', '--root', readOnly, 'g/n/1'], readOnly)).toMatchObject({ code: 0 });
    for (const argv of [
      ['delete', '--root', readOnly, 'g/n/1'],
      ['load', '--root', readOnly, join(readOnly, 'newer.ndjson')],
      ['build', readOnly, '--force'],
    ]) {
      const { code, last } = run(argv, readOnly);
      expect({ argv, code, last }).toMatchObject({
        code: 2,
        last: {
          error: {
            code: expect.stringMatching(/^(read-only|io)$/),
            message: expect.stringContaining(readOnly),
          },
        },
      });
    }
  });
});

/** A folder and all in it, folders before what they hold. */
function tree(path: string): string[] {
  const below = readdirSync(path, { withFileTypes: true });
  return [
    path,
    ...below.flatMap((entry) =>
      entry.isDirectory() ? tree(join(path, entry.name)) : [join(path, entry.name)],
    ),
  ];
}
