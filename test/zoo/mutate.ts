/**
 * `npm run mutate [-- WORD]`: changes one operator or constant at a time in the modules everything rests on (order,
 * codecs, comparison, winner) and runs their tests. Prints the mutants that live and a summary; exit code 1 where
 * fewer than nine in ten die. With a word, only files whose path holds it.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bug } from './bug.ts';
import { Cage } from './cage.ts';

/** Share of mutants that must die. */
const killedMin = 0.9;

/** A mutant may loop for ever; the tests of a file take a few seconds. */
const hangMs = 30_000;
const cages = 2;

const order = ['unit/property/order.test.ts'];
const trees = ['unit/tree/tree-reader.test.ts', 'unit/tree/build-tree.test.ts', 'damage/tree.test.ts'];
const diffs = ['unit/diff/leaf-cursor.test.ts', 'unit/diff/diff-shard.test.ts', 'unit/diff/resolve.test.ts'];

const modules: readonly (readonly [string, readonly string[]])[] = [
  ['property/version.ts', order],
  ['lib/varint.ts', ['unit/lib/varint.test.ts']],
  ['tree/tree-format.ts', trees],
  ['diff/diff-leaves.ts', diffs],
  ['diff/diff-slots.ts', diffs],
  ['diff/leaf-cursor.ts', diffs],
  ['diff/resolve.ts', diffs],
];

const mutations: readonly (readonly [RegExp, string])[] = [
  [/ < /g, ' <= '],
  [/ <= /g, ' < '],
  [/ > /g, ' >= '],
  [/ >= /g, ' > '],
  [/ === /g, ' !== '],
  [/ !== /g, ' === '],
  [/ && /g, ' || '],
  [/ \|\| /g, ' && '],
  [/ \+ /g, ' - '],
  [/ - /g, ' + '],
  [/\+\+/g, '--'],
  [/ \+= /g, ' -= '],
  [/\btrue\b/g, 'false'],
  [/\bfalse\b/g, 'true'],
  [/-1\b/g, '1'],
];

/** Every change of a file, one at a time; comments, imports and text for people are left alone. */
function mutantsOf(file: string, text: string, tests: readonly string[]): Bug[] {
  const mutants: Bug[] = [];
  let offset = 0;
  for (const [number, line] of text.split('\n').entries()) {
    const code = /^\s*(\*|\/\*|\/\/|import|export (interface|type)|readonly)/.test(line)
      ? ''
      : line.replace(/\/\/.*$/, '');
    for (const [pattern, replacement] of mutations) {
      for (const match of code.matchAll(pattern)) {
        if (isQuoted(code, match.index)) continue;
        const at = offset + match.index;
        const replace = text.slice(0, at) + replacement + text.slice(at + match[0].length);
        const name = `${file}:${number + 1} ${line.trim()} with${replacement}for${match[0]}`;
        mutants.push({ name, patches: [{ file, search: text, replace }], tests });
      }
    }
    offset += line.length + 1;
  }
  return mutants;
}

/** Whether a place in a line lies in a text, as far as quotes before it tell. */
function isQuoted(line: string, at: number): boolean {
  const before = line.slice(0, at);
  return [`'`, '`', '"'].some((quote) => (before.split(quote).length - 1) % 2 === 1);
}

const word = process.argv[2] ?? '';
const folder = await mkdtemp(join(tmpdir(), 'tallystick-mutants-'));
const src = join(import.meta.dirname, '../../src');
const waiting: Bug[] = [];
for (const [file, tests] of modules) {
  if (file.includes(word)) waiting.push(...mutantsOf(file, await readFile(join(src, file), 'utf8'), tests));
}
const mutants = waiting.length;
let killed = 0;

async function keep(number: number): Promise<void> {
  const cage = await Cage.create(join(folder, String(number)), hangMs);
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    // One that does not even load is as dead as one that a test notices.
    const by = await cage.catch(next).catch((error: unknown) => String(error));
    if (by === null) console.log(`lives: ${next.name}`);
    else killed += 1;
  }
}

try {
  const kept = await Promise.allSettled(Array.from({ length: cages }, (_, number) => keep(number)));
  for (const cage of kept) if (cage.status === 'rejected') throw cage.reason;
  console.log(
    JSON.stringify({ summary: { mutants, killed, share: Math.round((killed / mutants) * 1_000) / 1_000 } }),
  );
  if (killed < mutants * killedMin) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
