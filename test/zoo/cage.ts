/** A copy of the sources and tests that a bug can be put into. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bug, Patch } from './bug.ts';

const top = join(import.meta.dirname, '../..');

/** What tests need beside the packages. */
const copied = ['src', 'test', 'config', 'package.json', 'tsconfig.json'];

/** Longest the tests of one bug may run by default: a bug that makes them hang is caught by that. */
const defaultHangMs = 120_000;

interface TestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

export class Cage {
  readonly #folder: string;
  readonly #hangMs: number;

  private constructor(folder: string, hangMs: number) {
    this.#folder = folder;
    this.#hangMs = hangMs;
  }

  static async create(folder: string, hangMs = defaultHangMs): Promise<Cage> {
    await mkdir(folder);
    for (const name of copied) await cp(join(top, name), join(folder, name), { recursive: true });
    await symlink(join(top, 'node_modules'), join(folder, 'node_modules'));
    return new Cage(folder, hangMs);
  }

  /** Puts the bug in, runs its tests, takes it out. Gives the test that failed, or null where none did. */
  async catch({ patches, tests }: Bug): Promise<string | null> {
    const originals: [string, string][] = [];
    try {
      // One after another: two patches may be of one file.
      for (const patch of patches) originals.unshift([patch.file, await this.#apply(patch)]);
      return await this.firstFailure(tests);
    } finally {
      for (const [file, original] of originals) await writeFile(this.#path(file), original);
    }
  }

  #path(file: string): string {
    return join(this.#folder, 'src', file);
  }

  async #apply({ file, search, replace }: Patch): Promise<string> {
    const original = await readFile(this.#path(file), 'utf8');
    const found = original.split(search).length - 1;
    if (found !== 1) throw new Error(`src/${file} holds ${found} times: ${search}`);
    await writeFile(
      this.#path(file),
      original.replace(search, () => replace),
    );
    return original;
  }

  /** The first test of these files that fails; null where all pass. Throws where a file does not even load. */
  async firstFailure(tests: readonly string[]): Promise<string | null> {
    const output = join(this.#folder, 'report.json');
    const child = spawn(
      join(this.#folder, 'node_modules/.bin/vitest'),
      [
        'run',
        '--config=config/vitest.config.ts',
        '--bail=1',
        '--reporter=json',
        `--outputFile=${output}`,
        ...tests.map((test) => join('test', test)),
      ],
      { cwd: this.#folder, stdio: 'ignore', detached: true, env: { ...process.env, TALLYSTICK_SEED: '1' } },
    );
    let hangs = false;
    const timer = setTimeout(() => {
      hangs = true;
      // The group: its workers would go on without it.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, this.#hangMs);
    const [code] = await once(child, 'exit');
    clearTimeout(timer);
    if (hangs) return `${tests.join(', ')} (it hangs)`;
    if (code === 0) return null;
    return failureOf(JSON.parse(await readFile(output, 'utf8')) as TestReport);
  }
}

function failureOf({ testResults }: TestReport): string {
  for (const { name, assertionResults } of testResults) {
    const failed = assertionResults.find(({ status }) => status === 'failed');
    if (failed !== undefined) return `${name.slice(name.lastIndexOf('/test/') + 6)}, ${failed.fullName}`;
  }
  const broken = testResults.find(({ message }) => message !== '');
  throw new Error(`no test ran: ${broken?.message ?? 'no message'}`);
}
