/** What a round says of each copy agrees with what it says of all of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import type { RoundReport } from '../../../src/round/round-report.ts';
import { type RoundOptions, runRound } from '../../../src/round/run-round.ts';
import { broken, MemoryMember } from '../../support/memory-member.ts';
import type { MemoryShardCopy } from '../../support/memory-shard-copy.ts';
import { copyOf, many } from '../../support/repairing.ts';
import { makeVersion } from '../../support/versions.ts';

const roundOver = async (
  copies: readonly MemoryShardCopy[],
  options: Partial<RoundOptions> = {},
): Promise<RoundReport> =>
  await runRound(
    copies.map((copy) => new MemoryMember(copy.place, { copies: [copy] })),
    { clock: systemClock, ...options },
  );

const told = ({ copies }: RoundReport): string[] =>
  copies.map(({ place, outcome, reason }) => `${place} ${outcome}${reason === null ? '' : `: ${reason}`}`);

function planPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-report-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'plan');
}

test.each([false, true])(
  'a shard that fails as a whole has converged at no copy (dry run: %s)',
  async (dryRun) => {
    const report = await roundOver(
      [copyOf('a', many(3)), copyOf('b', many(3), { settings: { slots: 64 } })],
      { dryRun },
    );
    const reason = 'slot scheme is xxh64 seed 0 of 32 slots at a but xxh64 seed 0 of 64 slots at b';
    expect(report).toMatchObject({ outcome: 'failed', reason });
    expect(told(report)).toEqual([`a failed: ${reason}`, `b failed: ${reason}`]);
  },
);

test('a comparison that was not completed is not said to have converged at any copy', async () => {
  const report = await roundOver([copyOf('a', many(100)), copyOf('b', many(50))], {
    budget: { leaves: 30 },
  });
  const reason = 'the budget of 30 leaves ran out';
  expect(report).toMatchObject({ outcome: 'inconclusive', reason });
  expect(told(report)).toEqual([`a inconclusive: ${reason}`, `b inconclusive: ${reason}`]);
});

test('the copy at which a kept plan no longer held is named', async () => {
  const copies = [copyOf('a', many(3)), copyOf('b', many(1)), copyOf('c', many(2))];
  const path = planPath();
  await roundOver(copies, { dryRun: true, planPath: path });
  copies[2]?.load([makeVersion({ id: 'e2', revision: 1n })]);
  const report = await roundOver(copies, { planPath: path });
  const reason = '1 planned changes were not made, for the copies have changed since the plan';
  expect(report).toMatchObject({ outcome: 'inconclusive', reason, repair: { changed: 2, kept: 1 } });
  expect(told(report)).toEqual(['a converged', 'b converged', `c inconclusive: ${reason}`]);
});

test('a plan is kept of all shards although a copy is lost while it is made, and what it is without has not converged', async () => {
  const counts = { a: 3, b: 1, c: 2 };
  const places = Object.entries(counts);
  const copies = places.map(([place, count]) => copyOf(place, many(count)));
  const inH = (count: number) =>
    Array.from({ length: count }, (_, at) => makeVersion({ group: 'h', id: `e${at}`, revision: 10n }));
  const others = places.map(([place, count]) => copyOf(place, inH(count), { group: 'h' }));
  const members = (wrapping = {}) =>
    places.map(
      ([place], at) =>
        new MemoryMember(place, { copies: [copies[at]!, others[at]!], ...(place === 'c' && { wrapping }) }),
    );
  let views = 0;
  const wrapping = {
    beforeOpenView: () => {
      // The second shard that is looked at.
      if (views++ === 1) throw broken('c');
    },
  };
  const path = planPath();
  const shared = { clock: systemClock, planPath: path };
  const changes: string[] = [];
  const planned = await runRound(members(wrapping), {
    ...shared,
    dryRun: true,
    onChange: ({ entity, place }) => void changes.push(`${entity} ${place}`),
  });
  expect(planned).toMatchObject({ outcome: 'inconclusive', reason: 'c: the connection to c broke' });
  expect(changes.sort()).toEqual(['g/n/e1 b', 'g/n/e2 b', 'h/n/e1 b', 'h/n/e2 b']);
  const report = await runRound(members(), shared);
  const reason = 'the plan is without its copies of 2 shards';
  expect(report).toMatchObject({ outcome: 'inconclusive', reason: `c: ${reason}`, repair: { changed: 4 } });
  expect(told(report)).toEqual(['a converged', 'b converged', `c inconclusive: ${reason}`]);
});

test('a shard that could not be planned is not converged because the plan of the others is carried out', async () => {
  const copies = [copyOf('a', many(3)), copyOf('b', many(3), { settings: { slots: 64 } })];
  const path = planPath();
  await roundOver(copies, { dryRun: true, planPath: path });
  const report = await roundOver(copies, { planPath: path });
  const reason = 'planning it had failed when the plan was made';
  expect(report).toMatchObject({ outcome: 'inconclusive', reason });
  expect(told(report)).toEqual([`a inconclusive: ${reason}`, `b inconclusive: ${reason}`]);
});

test('a copy that a kept plan is without has not converged', async () => {
  const copies = [copyOf('a', many(3)), copyOf('b', many(1)), copyOf('c', many(2))];
  const path = planPath();
  await roundOver(copies.slice(0, 2), { dryRun: true, planPath: path });
  const report = await roundOver(copies, { planPath: path });
  const reason = 'the plan is without its copies of 1 shards';
  expect(report).toMatchObject({ outcome: 'inconclusive', reason: `c: ${reason}`, repair: { changed: 2 } });
  expect(told(report)).toEqual(['a converged', 'b converged', `c inconclusive: ${reason}`]);
});
