/**
 * `npm run bench [-- CASE…]`: prints a table of each case when it is done, and at the end writes bench.json, an object per
 * figure. Figures are measured side by side with their limits; one beyond what it may be ends the run with code 1.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { table } from '../../src/commands/output.ts';
import { applyCase } from './apply-case.ts';
import { banyandbBuildCase } from './banyandb-build-case.ts';
import { banyandbFillCase } from './banyandb-fill-case.ts';
import { banyandbWritersCase } from './banyandb-writers-case.ts';
import { type BenchCase, type Figure, passes } from './bench-case.ts';
import { buildCase } from './build-case.ts';
import { diffCase } from './diff-case.ts';
import { networkCase, networkMemoryCase } from './network-case.ts';
import { writeCase } from './write-case.ts';

const cases: readonly BenchCase[] = [
  buildCase(1_000_000, [32, 1_024, 65_536]),
  buildCase(5_000_000, [32]),
  diffCase(1_000_000),
  applyCase(100_000, 1_000),
  networkCase(100_000, 2_000),
  networkMemoryCase(1_000_000),
  writeCase(10_000, 32, 1_000),
  banyandbFillCase(10_000, 2_000),
  { ...banyandbFillCase(1_000, 2_000), onlyNamed: true },
  banyandbWritersCase(6_000, 2_000),
  banyandbBuildCase([1_000, 10_000]),
  { ...banyandbBuildCase([100_000]), onlyNamed: true },
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !cases.some((known) => known.name === name));
if (unknown.length > 0) {
  console.error(`no case ${unknown.join(', ')}; there are: ${cases.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const figures: Figure[] = [];
for (const { name, description, skipped = null, onlyNamed = false, run } of cases) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const why = skipped ?? (onlyNamed && wanted.length === 0 ? 'it runs only where it is named' : null);
  console.error(`${name}: ${why === null ? description : `skipped: ${why}`}`);
  if (why !== null) continue;
  const directory = await mkdtemp(join(tmpdir(), 'tallystick-bench-'));
  try {
    const startMs = performance.now();
    const seconds = () => Math.round((performance.now() - startMs) / 1_000);
    const measured = await run(directory, (text) => console.error(`  ${seconds()} s: ${text}`));
    console.log(tableOf(measured));
    figures.push(...measured);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

await writeFile('bench.json', `${JSON.stringify(figures, null, 2)}\n`);
if (!figures.every(passes)) process.exitCode = 1;

function tableOf(rows: readonly Figure[]): string {
  return table(
    ['case', 'value', 'unit', 'limit', 'ratio', 'at most', ''],
    rows.map((figure) => [
      figure.case,
      rounded(figure.value),
      figure.unit,
      rounded(figure.limit),
      rounded(figure.ratio),
      rounded(figure.most),
      passes(figure) ? '' : 'MISSED',
    ]),
  );
}

function rounded(value: number | null): string {
  return value === null ? '' : String(Math.round(value * 100) / 100);
}
