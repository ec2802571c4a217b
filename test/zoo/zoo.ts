/**
 * `npm run zoo [-- WORD]`: puts each known fault into a copy of the sources and runs the tests that must notice
 * it, two at a time. A line for each bug, a summary at the end; exit code 1 if one survives. With a word, only
 * bugs whose names hold it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allBugs } from './all-bugs.ts';
import type { Bug } from './bug.ts';
import { Cage } from './cage.ts';

/** Bugs tried at a time: the tests of one keep a core busy. */
const cages = 2;

const word = process.argv[2] ?? '';
const bugs = allBugs.filter(({ name }) => name.includes(word));
const folder = await mkdtemp(join(tmpdir(), 'tallystick-zoo-'));
const waiting: Bug[] = [...bugs];
let caught = 0;

async function keep(number: number): Promise<void> {
  const cage = await Cage.create(join(folder, String(number)));
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const startedMs = performance.now();
    const by = await cage.catch(next);
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
    if (by !== null) caught += 1;
    console.log(
      `${by === null ? 'SURVIVED' : 'caught  '} ${seconds.padStart(5)} s  ${next.name}${by === null ? '' : `: ${by}`}`,
    );
  }
}

try {
  // Without a bug every test passes; otherwise nothing that follows means anything.
  const clean = await Cage.create(join(folder, 'clean'));
  const failure = await clean.firstFailure([...new Set(bugs.flatMap(({ tests }) => tests))]);
  if (failure !== null) throw new Error(`a test fails without any bug: ${failure}`);
  const kept = await Promise.allSettled(Array.from({ length: cages }, (_, number) => keep(number)));
  for (const cage of kept) if (cage.status === 'rejected') throw cage.reason;
  console.log(JSON.stringify({ summary: { bugs: bugs.length, caught, survived: bugs.length - caught } }));
  if (caught < bugs.length) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
