/** Each invariant of the simulator can fail: a broken promise, made by hand, is noticed by the invariant that is for it. */
import { describe, expect, test } from 'vitest';
import type { Version } from '../../src/property/version.ts';
import type { RoundReport } from '../../src/round/round-report.ts';
import { Invariants, isAtNode } from './invariants.ts';
import type { Contents } from './replica.ts';
import { Run } from './run.ts';
import { key, of, Told, version } from './told-replica.ts';

function looked(before: Version, now: Contents, kind: 'tallystick' | 'banyandb' = 'tallystick'): () => void {
  const invariants = new Invariants();
  const told = new Told('r0', of(before), kind);
  invariants.wrote([before, ...now.values()]);
  invariants.look([told.replica]);
  return () => invariants.look(told.now(now));
}

describe('what a replica holds', () => {
  test('may grow', () => {
    expect(looked(version(5n), of(version(5n, 7n)))).not.toThrow();
    expect(looked(version(5n, 7n), of(version(6n)))).not.toThrow();
  });

  test('is not lost', () => {
    expect(looked(version(5n), new Map())).toThrow('r0 lost');
  });

  test.each([5n, 4n])('is not live again at revision %i after a delete of revision 5', (revision) => {
    expect(looked(version(5n, 7n), of(version(revision)))).toThrow('r0 undid the delete');
    expect(looked(version(5n, 7n), of(version(revision)), 'banyandb')).toThrow('r0 undid the delete');
  });

  test.each([
    ['revision', version(5n), version(4n)],
    ['delete time', version(5n, 7n), version(5n, 6n)],
    ['digest', version(5n, 0n, 2), version(5n, 0n, 1)],
  ])('does not go back by its %s', (_, before, now) => {
    expect(looked(before, of(now))).toThrow('r0 went back');
  });

  test('was written by somebody', () => {
    const invariants = new Invariants();
    const told = new Told('r0', of(version(5n)));
    expect(() => invariants.look([told.replica])).toThrow('which nobody ever wrote');
  });

  test('counts anew only where an older database was put in place', () => {
    const invariants = new Invariants();
    const told = new Told('r0', of(version(5n)));
    invariants.wrote([version(5n), version(4n)]);
    invariants.look([told.replica]);
    invariants.forget(told.replica);
    expect(() => invariants.look(told.now(of(version(4n))))).not.toThrow();
    expect(() => invariants.look(told.now(new Map()))).toThrow('r0 lost');
  });
});

describe('at a BanyanDB node', () => {
  test('one tombstone may give way to another of its revision, and a revision never to a lesser one', () => {
    expect(looked(version(5n, 7n), of(version(5n, 6n)), 'banyandb')).not.toThrow();
    expect(looked(version(5n, 7n), of(version(4n, 9n)), 'banyandb')).toThrow('r0 went back');
    expect(isAtNode(version(5n), version(5n, 7n))).toBe(false);
    expect(isAtNode(version(5n, 0n, 1), version(5n, 0n, 2))).toBe(false);
  });

  test('what its own repair brings back is not ours, and only that', () => {
    const invariants = new Invariants();
    const told = new Told('r0', of(version(5n, 7n)), 'banyandb');
    invariants.look([told.replica]);
    invariants.wentBack('r0', key, 1_000);
    expect(() => invariants.look(told.now(of(version(5n))))).not.toThrow();
    invariants.look(told.now(of(version(5n, 8n))));
    expect(() => invariants.look(told.now(of(version(5n))))).toThrow('r0 undid the delete');
  });
});

describe('an acknowledged write', () => {
  const check = (held: Contents): void =>
    new Invariants().checkAcknowledged(new Told('r0', held).replica, key, version(5n));

  test('is there, or a greater one', () => {
    expect(() => check(of(version(5n)))).not.toThrow();
    expect(() => check(of(version(9n, 10n)))).not.toThrow();
    expect(() => check(new Map())).toThrow('r0 acknowledged');
    expect(() => check(of(version(4n, 10n)))).toThrow('r0 acknowledged');
  });
});

test('a tree that is said to be of the index as it is must be', () => {
  const { replica } = new Told('r0', of(version(5n)));
  const invariants = new Invariants();
  expect(() => invariants.checkFresh(replica, true, of(version(4n)))).not.toThrow();
  expect(() => invariants.checkFresh(replica, false, of(version(4n)))).toThrow('as it is, and it is not');
});

describe('what a run reports', () => {
  /** Of a run over r0 and r1 that compared `trees`, after which they hold `held`. */
  function reported(
    outcome: { round: RoundReport['outcome']; shard: string; reason?: string; places?: string[] },
    trees: Contents[],
    held: Contents[],
    went?: number,
  ): () => void {
    const run = new Run('run0', 'operator', 500);
    const replicas = held.map((contents, at) => new Told(`r${at}`, contents));
    for (const [at, tree] of trees.entries()) run.compared.set(`r${at}`, tree);
    const places = outcome.places ?? replicas.map(({ name }) => name);
    const report = {
      outcome: outcome.round,
      reason: outcome.reason ?? null,
      repair: { shards: [{ outcome: outcome.shard, copies: places.map((place) => ({ place })) }] },
    } as unknown as RoundReport;
    const invariants = new Invariants();
    if (went !== undefined) invariants.wentBack('r1', key, went);
    return () =>
      invariants.checkReport(
        run,
        report,
        replicas.map(({ replica }) => replica),
      );
  }
  const [older, newer] = [of(version(5n)), of(version(6n))];
  const matched = { round: 'converged', shard: 'matched' } as const;
  const repaired = { round: 'converged', shard: 'repaired' } as const;

  test('matched compared equal sets', () => {
    expect(reported(matched, [newer, newer], [newer, newer])).not.toThrow();
    expect(reported(matched, [older, newer], [newer, newer])).toThrow('says matched; r0 and r1 differ');
    expect(reported(matched, [new Map(), newer], [newer, newer])).toThrow('says matched');
  });

  test('converged left every compared version or a greater one everywhere', () => {
    expect(reported(repaired, [older, newer], [newer, newer])).not.toThrow();
    expect(reported(repaired, [older, newer], [newer, older])).toThrow('says converged; r1 has');
    expect(reported(repaired, [older, newer], [newer, new Map()])).toThrow('r1 has nothing');
    expect(reported({ ...repaired, places: ['r0'] }, [older, newer], [newer, newer])).toThrow(
      'over 1 of 2 copies',
    );
  });

  test('what went back by itself is excused only where it did so during the run', () => {
    expect(reported(repaired, [older, newer], [newer, older], 600)).not.toThrow();
    expect(reported(repaired, [older, newer], [newer, older], 400)).toThrow('says converged; r1 has');
  });

  test('anything else has a reason', () => {
    expect(reported({ round: 'inconclusive', shard: 'failed' }, [], [older, older])).toThrow('not say why');
  });
});
