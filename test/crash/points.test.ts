/**
 * The real process killed at every crash point of the sources, in the midst of the times it comes there, and with
 * TALLYSTICK_CRASH=all also at the first: every acknowledged write is there, index and newest tree are whole, and doing it all again ends as if
 * nothing had happened.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { IndexReader } from '../../src/property-index/index-reader.ts';
import { databasePath, readGroupSettings, treeDirectory } from '../../src/property-index/data-root.ts';
import { verifyIndex } from '../../src/property-index/verify-index.ts';
import { TreeDirectory } from '../../src/tree/tree-directory.ts';
import type { CrashChildInput } from '../support/crash-child.ts';
import {
  type Acknowledged,
  crashScenario,
  identityOf,
  slotsInTheEnd,
  storedName,
} from '../support/crash-scenario.ts';
import { naiveTree, readTree } from '../support/naive-tree.ts';
import { Child } from '../support/run-child.ts';

/** Names of all crash points, read from the sources so that a new one cannot be forgotten. */
function crashPoints(): string[] {
  const folder = join(import.meta.dirname, '../../src');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('crash-point.ts'),
  );
  return names.flatMap((name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    return [...text.matchAll(/^(?!import).*\bcrashPoint\((.*)\)/gm)].map(([, argument]) => {
      const point = /^'([a-z-]+:[a-z-]+)'$/.exec(argument ?? '')?.[1];
      if (point === undefined) throw new Error(`${name} has a crash point without a plain name: ${argument}`);
      return point;
    });
  });
}

/** The phases that must each have some. */
const phases = ['index', 'settings', 'tree', 'plan', 'carry', 'apply', 'store', 'file'];

const points = crashPoints();
const top = mkdtempSync(join(tmpdir(), 'tallystick-crash-'));
let counts: Record<string, number> = {};
beforeAll(async () => {
  const counting = new Child('crash-child.ts', input('counting', null, 0));
  counts = JSON.parse(await counting.line());
  expect(await counting.ended()).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

function input(name: string, point: string | null, occurrence: number): CrashChildInput {
  return { folder: join(top, name), point, occurrence };
}

/** What the process acknowledged before it died, whatever line it was at. */
async function acknowledgedBy(child: Child): Promise<Acknowledged[]> {
  const writes: Acknowledged[] = [];
  for (;;) {
    const line = await child.line().catch(() => null);
    if (line === null) return writes;
    writes.push(JSON.parse(line));
  }
}

async function checkReplica(folder: string, replica: string, writes: readonly Acknowledged[]): Promise<void> {
  const identity = identityOf(folder, replica);
  const { root } = identity;
  const mine = writes.filter((write) => write.replica === replica);
  if (!readdirSync(folder).includes(replica) || (await readGroupSettings(root, 'g')) === null) {
    expect(mine).toEqual([]);
    return;
  }
  const there = readdirSync(join(databasePath(root, 'g', 0), '../..')).includes('shard-0');
  if (!there || !readdirSync(join(databasePath(root, 'g', 0), '..')).includes('property.db')) {
    expect(mine).toEqual([]);
    return;
  }
  const damage: unknown[] = [];
  await verifyIndex(identity, { onDamage: (found) => void damage.push(found) });
  expect(damage).toEqual([]);
  using reader = new IndexReader(identity);
  for (const { key, revision, deleteTime } of mine) {
    const found = reader.get(Buffer.from(key, 'hex'));
    const has = [found?.revision ?? -1n, found?.deleteTime ?? -1n] as const;
    const superseded = has[0] > BigInt(revision);
    expect(superseded || (has[0] === BigInt(revision) && has[1] >= BigInt(deleteTime)), key).toBe(true);
  }
  const directory = new TreeDirectory(treeDirectory(root, 'g', 0));
  await using newest = await directory.openNewest((path, error) => expect.fail(`${path}: ${error.message}`));
  if (newest !== null) await readTree(newest);
}

/** What both replicas hold in the end, but for what is stamped anew each time, and that it is what their trees say. */
async function rootInTheEnd(folder: string): Promise<string> {
  const roots: string[] = [];
  const lasting: string[] = [];
  for (const replica of ['a', 'b']) {
    const identity = identityOf(folder, replica);
    using reader = new IndexReader(identity);
    const versions = [...reader.allPages(100)].flat();
    const directory = new TreeDirectory(treeDirectory(identity.root, 'g', 0));
    await using newest = await directory.openNewest();
    const { root } = await readTree(newest!);
    expect(root).toBe(naiveTree(versions, 'g', slotsInTheEnd).root);
    expect(readdirSync(directory.path)).toHaveLength(2);
    roots.push(root);
    const others = versions.filter(({ key }) => !key.toString('latin1').startsWith(`${storedName}\0`));
    lasting.push(naiveTree(others, 'g', slotsInTheEnd).root);
  }
  expect(roots[0]).toBe(roots[1]);
  return lasting[0] as string;
}

describe('a process killed', () => {
  test('has crash points to be killed at', () => {
    expect(new Set(points).size).toBe(points.length);
    expect(points.length).toBeGreaterThanOrEqual(40);
    expect(points.filter((point) => counts[point] === undefined)).toEqual([]);
    expect([...new Set(points.map((point) => point.split(':')[0]))].sort()).toEqual(phases.toSorted());
  });

  test.concurrent.each(points)('at %s loses nothing', async (point) => {
    const whole = await rootInTheEnd(join(top, 'counting'));
    const often = counts[point] ?? 1;
    const midst = Math.ceil((often + 1) / 2);
    for (const occurrence of new Set(process.env['TALLYSTICK_CRASH'] === 'all' ? [1, midst] : [midst])) {
      const { folder } = input(`${point}-${occurrence}`.replaceAll(':', '-'), null, 0);
      const child = new Child('crash-child.ts', { folder, point, occurrence } satisfies CrashChildInput);
      const writes = await acknowledgedBy(child);
      expect(await child.ended()).toEqual({ code: null, signal: 'SIGKILL', stderr: '' });
      for (const replica of ['a', 'b']) await checkReplica(folder, replica, writes);
      await crashScenario(folder, () => undefined);
      for (const replica of ['a', 'b']) await checkReplica(folder, replica, writes);
      expect(await rootInTheEnd(folder)).toBe(whole);
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
