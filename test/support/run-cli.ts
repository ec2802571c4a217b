/** Runs a command line in this process, with its streams captured. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { runProgram } from '../../src/commands/program.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of a line by comparing it.
export type JsonLine = any;

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout, parsed; for runs with --json. */
  readonly lines: readonly JsonLine[];
  /** The last of them. */
  readonly last: JsonLine;
}

export interface CliOptions {
  readonly stdin?: string | readonly string[];
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/** Runs `tallystick` with these arguments; `--json` among them makes `lines`. */
export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    write: (text: string): boolean => {
      written[name] += text;
      return true;
    },
    once: () => {},
  });
  const code = await runProgram(argv, {
    stdin: chunksOf(options.stdin ?? []),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    clock: options.clock ?? systemClock,
    variables: {},
    programPath: '',
    signal: options.signal ?? new AbortController().signal,
  });
  const texts = argv.includes('--json') ? written.stdout.trimEnd().split('\n') : [];
  const lines = texts.filter((text) => text !== '').map((text) => JSON.parse(text) as JsonLine);
  return { code, ...written, lines, last: lines.at(-1) };
}

async function* chunksOf(input: string | readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of typeof input === 'string' ? [input] : input) yield Buffer.from(text);
}

/** A folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-cli-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes records as NDJSON into a folder; strings are lines as they are. */
export function writeRecords(folder: string, name: string, records: readonly unknown[]): string {
  const path = join(folder, name);
  const lines = records.map((record) => (typeof record === 'string' ? record : JSON.stringify(record)));
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  return path;
}

/** A record as people write it; with a revision unless it is 0. */
export function propertyRecord(
  entity: string,
  revision: number | bigint = 1,
  tags: Readonly<Record<string, string>> = {},
): Record<string, unknown> {
  const [group, name, ...id] = entity.split('/');
  return {
    metadata: { group, name, ...(BigInt(revision) === 0n ? {} : { modRevision: String(revision) }) },
    id: id.join('/'),
    tags: Object.entries(tags).map(([key, value]) => ({ key, value: { str: { value } } })),
  };
}
