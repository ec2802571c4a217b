/** Rounds over members in memory: who is lost where, what is said of it, and that each value goes once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { CodedError } from '../../../src/lib/coded-error.ts';
import type { RepairChange } from '../../../src/repair/report.ts';
import type { RoundReport } from '../../../src/round/round-report.ts';
import { type RoundOptions, runRound } from '../../../src/round/run-round.ts';
import { broken, MemoryMember, type MemoryMemberOptions } from '../../support/memory-member.ts';
import type { MemoryShardCopy } from '../../support/memory-shard-copy.ts';
import { copyOf, digests, many } from '../../support/repairing.ts';
import { makeVersion } from '../../support/versions.ts';

type Wrap = Omit<MemoryMemberOptions, 'copies'>;

/** Members a, b, c: each has its own ten of thirty entities and shares ten with all. */
function threeMembers(wraps: Readonly<Record<string, Wrap>> = {}): {
  members: MemoryMember[];
  copies: MemoryShardCopy[];
} {
  const copies = ['a', 'b', 'c'].map((place, at) => copyOf(place, [...many(10), ...many(10, 10 + 10 * at)]));
  const members = copies.map(
    (copy) => new MemoryMember(copy.place, { copies: [copy], ...wraps[copy.place] }),
  );
  return { members, copies };
}

async function round(
  members: readonly MemoryMember[],
  options: Partial<RoundOptions> = {},
): Promise<{ report: RoundReport; changes: RepairChange[] }> {
  const changes: RepairChange[] = [];
  const report = await runRound(members, {
    clock: systemClock,
    onChange: (change) => {
      changes.push(change);
    },
    ...options,
  });
  return { report, changes };
}

const roots = (copies: readonly MemoryShardCopy[]): number => new Set(copies.map(({ root }) => root)).size;
const lines = ({ copies }: RoundReport): string[] =>
  copies.map(({ place, outcome, lost, changed }) => `${place} ${outcome}${lost ? ' lost' : ''} ${changed}`);

function planPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-round-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'plan');
}

test('a round converges; each value goes once to each copy that lacks it, and the next ships nothing', async () => {
  const { members, copies } = threeMembers();
  const { report, changes } = await round(members);
  expect(report.outcome).toBe('converged');
  expect(lines(report)).toEqual(['a converged 20', 'b converged 20', 'c converged 20']);
  expect(report.repair).toMatchObject({ differing: 30, changed: 60, shipped: 60, kept: 0, failed: 0 });
  expect(roots(copies)).toBe(1);
  // Counted at the copies themselves: 30 values, each of which two copies lack.
  expect(copies.map(({ calls }) => calls.received)).toEqual([20, 20, 20]);
  const sent = members.flatMap(({ wrapped }) => wrapped.flatMap(({ batches }) => batches.flat()));
  expect(report.repair.bytes).toBe(sent.reduce((sum, { source }) => sum + Buffer.byteLength(source), 0));
  expect(copies.reduce((sum, { calls }) => sum + calls.fetched, 0)).toBe(30);
  expect(changes.filter(({ result }) => result === 'changed')).toHaveLength(60);
  expect(members.map(({ calls }) => calls)).toEqual(Array(3).fill({ offers: 2, builds: 2 }));
  const again = await round(members);
  expect(again.report).toMatchObject({ outcome: 'converged', repair: { outcome: 'matched', shipped: 0 } });
});

test('shards whose listed roots agree are not looked at', async () => {
  const copies = ['a', 'b'].map((place) => copyOf(place, many(10)));
  const { report } = await round(copies.map((copy) => new MemoryMember(copy.place, { copies: [copy] })));
  expect(report.outcome).toBe('converged');
  // A view for each of the two listings, and none to compare.
  expect(copies.map(({ calls }) => calls.views)).toEqual([2, 2]);
  expect(copies.map(({ calls }) => calls.leavesRead)).toEqual([0, 0]);
});

test.each([
  ['at its offer', { beforeOffer: () => Promise.reject(broken('c')) }],
  [
    'at the second offer',
    { beforeOffer: (call: number) => (call === 1 ? Promise.reject(broken('c')) : undefined) },
  ],
  ['at its build', { beforeBuild: () => Promise.reject(broken('c')) }],
  ['when its view is opened', { wrapping: { beforeOpenView: () => Promise.reject(broken('c')) } }],
  ['when its leaves are read', { wrapping: { beforeLeafPage: () => Promise.reject(broken('c')) } }],
])('a member lost %s is named, and the rest converge', async (_when, wrap) => {
  const { members, copies } = threeMembers({ c: wrap });
  const { report } = await round(members);
  expect(report).toMatchObject({
    outcome: 'inconclusive',
    reason: expect.stringContaining('the connection to c broke'),
  });
  expect(lines(report)).toEqual(['a converged 10', 'b converged 10', 'c inconclusive lost 0']);
  expect(roots(copies.slice(0, 2))).toBe(1);
  expect(copies[2]?.calls.received).toBe(0);
  // Once it can be reached, a round takes what is left.
  const rest = await round(copies.map((copy) => new MemoryMember(copy.place, { copies: [copy] })));
  expect(rest.report.outcome).toBe('converged');
  expect(roots(copies)).toBe(1);
});

test('a member that is lost while it is built after its changes is named', async () => {
  const { members } = threeMembers({
    b: { beforeBuild: (call) => (call === 1 ? Promise.reject(broken('b')) : undefined) },
  });
  const { report } = await round(members);
  expect(report.outcome).toBe('inconclusive');
  expect(lines(report)).toEqual(['a converged 20', 'b inconclusive lost 20', 'c converged 20']);
});

test('a lacker lost in the middle of carrying out costs the others nothing', async () => {
  const values = many(500);
  const copies = [copyOf('a', values), copyOf('b', []), copyOf('c', [])];
  const members = copies.map(
    (copy) =>
      new MemoryMember(copy.place, {
        copies: [copy],
        ...(copy.place === 'b' && {
          wrapping: { beforeApply: (batch) => (batch === 1 ? Promise.reject(broken('b')) : undefined) },
        }),
      }),
  );
  const { report } = await round(members);
  expect(report.outcome).toBe('inconclusive');
  expect(lines(report)[0]).toBe('a converged 0');
  expect(lines(report)[1]).toMatch(/^b inconclusive lost \d+$/);
  expect(lines(report)[2]).toBe('c converged 500');
  expect(copies[2]?.calls.received).toBe(500);
  expect(roots([copies[0]!, copies[2]!])).toBe(1);
  // What was not told as applied may be there all the same; the next round ships no more than is lacked.
  const before = copies[1]!.versions.length;
  const rest = await round(copies.map((copy) => new MemoryMember(copy.place, { copies: [copy] })));
  expect(rest.report).toMatchObject({ outcome: 'converged', repair: { shipped: 500 - before } });
  expect(roots(copies)).toBe(1);
});

test('a holder lost in the middle is replaced by another; what it alone had is named', async () => {
  const copies = [copyOf('a', many(300)), copyOf('b', many(250)), copyOf('c', [])];
  const cut = {
    beforeFetched: (answer: number) => (answer === 20 ? Promise.reject(broken('a')) : undefined),
  };
  const members = copies.map(
    (copy) => new MemoryMember(copy.place, { copies: [copy], ...(copy.place === 'a' && { wrapping: cut }) }),
  );
  const { report } = await round(members);
  expect(report.outcome).toBe('inconclusive');
  expect(report.copies.map(({ outcome, lost }) => [outcome, lost])).toEqual([
    ['inconclusive', true],
    ['inconclusive', false],
    ['inconclusive', false],
  ]);
  expect(report.reason).toContain('the connection to a broke');
  expect(copies[2]!.versions.length).toBeGreaterThanOrEqual(250);
  expect(copies[2]!.calls.received).toBe(copies[2]!.versions.length);
  const rest = await round(copies.map((copy) => new MemoryMember(copy.place, { copies: [copy] })));
  expect(rest.report.outcome).toBe('converged');
  expect(roots(copies)).toBe(1);
});

test('nobody answers: inconclusive, everybody named', async () => {
  const { members } = threeMembers(
    Object.fromEntries(
      ['a', 'b', 'c'].map((place) => [place, { beforeOffer: () => Promise.reject(broken(place)) }]),
    ),
  );
  const { report } = await round(members);
  expect(report).toMatchObject({ outcome: 'inconclusive', repair: { shards: [] } });
  expect(lines(report)).toEqual(['a', 'b', 'c'].map((place) => `${place} inconclusive lost 0`));
});

test('an absent group is a copy with nothing in it', async () => {
  const full = copyOf('a', many(20));
  const empty = new MemoryMember('b', { copies: [] });
  const { report } = await round([new MemoryMember('a', { copies: [full] }), empty]);
  expect(report.outcome).toBe('converged');
  expect(lines(report)).toEqual(['a converged 0', 'b converged 20']);
});

test('a dry run changes nothing and tells what differs; its plan is carried out where it still holds', async () => {
  const { members, copies } = threeMembers();
  const path = planPath();
  const before = copies.map(digests);
  const { report, changes } = await round(members, { dryRun: true, planPath: path });
  expect(report.outcome).toBe('differs');
  expect(lines(report)).toEqual(['a differs 0', 'b differs 0', 'c differs 0']);
  expect(changes).toHaveLength(60);
  expect(new Set(changes.map(({ result }) => result))).toEqual(new Set(['planned']));
  expect(copies.map(digests)).toEqual(before);
  // One entity moves on since: it is left alone, the rest is done as planned.
  copies[1]?.load([makeVersion({ id: 'e25', revision: 99n })]);
  const kept = await round(members, { planPath: path });
  expect(kept.report.repair).toMatchObject({ changed: 58, kept: 2, failed: 0 });
  // What was left out may differ still.
  expect(kept.report).toMatchObject({
    outcome: 'inconclusive',
    reason: expect.stringMatching(/^2 planned changes were not made/),
  });
  expect(kept.changes.filter(({ result }) => result === 'kept').map(({ entity }) => entity)).toEqual([
    'g/n/e25',
    'g/n/e25',
  ]);
});

test('a plan is not carried out without one of its places, and the reason is why that is away', async () => {
  const { members, copies } = threeMembers();
  const path = planPath();
  await round(members, { dryRun: true, planPath: path });
  const before = copies.map(digests);
  const away = new MemoryMember('c', {
    copies: copies.slice(2),
    beforeOffer: () => {
      throw broken('c');
    },
  });
  await expect(round([...members.slice(0, 2), away], { planPath: path })).rejects.toMatchObject({
    code: 'unreachable',
    details: { place: 'c' },
  });
  expect(copies.map(digests)).toEqual(before);
});

test('the fuse stops a round before anything changes, and a confirmed number passes it', async () => {
  const copies = [copyOf('a', many(200, 0, 10n)), copyOf('b', many(200, 0, 20n))];
  const members = copies.map((copy) => new MemoryMember(copy.place, { copies: [copy] }));
  const before = copies.map(digests);
  const error = await round(members).catch((thrown: unknown) => CodedError.from(thrown));
  expect(error).toMatchObject({ code: 'fuse', details: { count: 200 } });
  expect(copies.map(digests)).toEqual(before);
  const { report } = await round(members, { confirmed: 200 });
  expect(report).toMatchObject({ outcome: 'converged', repair: { changed: 200 } });
});

test('a version that a copy refuses fails the round, and the rest is done', async () => {
  const copies = [copyOf('a', many(20)), copyOf('b', [])];
  const damage = {
    damageVersion: (version: ReturnType<typeof makeVersion>) => ({ ...version, digest: Buffer.alloc(64) }),
  };
  const members = copies.map(
    (copy) =>
      new MemoryMember(copy.place, { copies: [copy], ...(copy.place === 'b' && { wrapping: damage }) }),
  );
  const { report } = await round(members);
  expect(report.outcome).toBe('failed');
  expect(report.copies[1]).toMatchObject({
    outcome: 'failed',
    lost: false,
    changed: 0,
    reason: 'some versions could not be applied',
  });
});

test('a cancelled round throws', async () => {
  const { members } = threeMembers();
  const stop = new AbortController();
  const reason = new CodedError('cancelled', 'stopped');
  await expect(
    round(members, { signal: stop.signal, onProgress: () => stop.abort(reason) }),
  ).rejects.toMatchObject({ code: 'cancelled' });
});
