/** Runs and their history without a service: order, cancelling, what is kept over a restart. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { CodedError } from '../../../src/lib/coded-error.ts';
import type { RepairChange } from '../../../src/repair/report.ts';
import { History } from '../../../src/service/history.ts';
import type { Run, RunOrder } from '../../../src/service/run.ts';
import { Runs } from '../../../src/service/runs.ts';
import { TestClock } from '../../support/test-clock.ts';

function historyPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-history-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'history.db');
}

function openHistory(path = historyPath()): History {
  const history = History.open(path, (_, error) => {
    throw error;
  });
  onTestFinished(() => history[Symbol.dispose]());
  return history;
}

/** Runs whose work waits until it is let go, or cancelled. */
function heldRuns(history = openHistory()) {
  const begun: Run[] = [];
  const ended: string[] = [];
  const paused: string[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const work = async (run: Run, signal: AbortSignal): Promise<void> => {
    begun.push(run);
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    signal.addEventListener('abort', () => gate.reject(signal.reason), { once: true });
    await gate.promise;
    run.end({ outcome: 'converged', reason: null });
  };
  const clock = new TestClock();
  const runs = new Runs({
    clock,
    history,
    tracer: null,
    work: { build: work, repair: work },
    onStart: () => {},
    onEnd: ({ id }) => ended.push(id),
    onPause: ({ id }) => paused.push(id),
  });
  const letGo = async (): Promise<void> => {
    gates.shift()?.resolve();
    await new Promise(setImmediate);
  };
  return { runs, begun, ended, paused, clock, letGo, history };
}

function changeOf(entity: string, result: RepairChange['result']): RepairChange {
  const after = { revision: 1n, deleteTime: 0n, digest: Buffer.alloc(64) };
  return { group: 'g', shard: 0, entity, place: 'p', result, before: null, after, reason: 'absent' };
}

const scheduled: RunOrder = { kind: 'repair', trigger: 'cron', group: 'g', shard: 0 };
const byHand: RunOrder = { kind: 'repair', trigger: 'operator', group: 'g' };

test('one repair at a time, those ordered by hand first; a build beside it', async () => {
  const { runs, begun, letGo } = heldRuns();
  const ids = [runs.add(scheduled).id];
  await new Promise(setImmediate);
  for (const order of [{ ...scheduled, shard: 1 }, byHand, { ...byHand, group: 'h' }])
    ids.push(runs.add(order).id);
  const build = runs.add({ kind: 'build', trigger: 'quick', group: 'g', shard: 0 }).id;
  await new Promise(setImmediate);
  expect(begun.map(({ id }) => id)).toEqual([ids[0], build]);
  expect([runs.waiting, runs.running]).toEqual([3, 2]);
  for (let turns = 0; turns < 5; turns += 1) await letGo();
  expect(begun.map(({ id }) => id)).toEqual([ids[0], build, ids[2], ids[3], ids[1]]);
  await runs.idle();
  expect(runs.get(ids[1] ?? '')).toMatchObject({ state: 'ended', outcome: 'converged' });
});

test('what waits and what runs can be cancelled; the rest goes on', async () => {
  const { runs, begun, letGo } = heldRuns();
  const [first, second, third] = [0, 1, 2].map((shard) => runs.add({ ...scheduled, shard }).id);
  await new Promise(setImmediate);
  expect(runs.cancel(second ?? '')).toMatchObject({
    state: 'ended',
    outcome: 'cancelled',
    error: { code: 'cancelled' },
  });
  runs.cancel(first ?? '');
  await new Promise(setImmediate);
  expect(runs.get(first ?? '')).toMatchObject({ state: 'ended', outcome: 'cancelled' });
  expect(begun.map(({ id }) => id)).toEqual([first, third]);
  await letGo();
  await letGo();
  await runs.idle();
  expect(runs.get(third ?? '').outcome).toBe('converged');
});

test("a paused run is in nobody's way, says that it waits, and is gone on with when it is resumed", async () => {
  const { runs, begun, paused, ended, letGo } = heldRuns();
  const [first = '', second = ''] = [0, 1].map((shard) => runs.add({ ...scheduled, shard }).id);
  await new Promise(setImmediate);
  expect(await runs.pause(first)).toMatchObject({ state: 'paused', waitReason: 'paused', outcome: null });
  expect([runs.running, runs.waiting, runs.paused]).toEqual([1, 0, 1]);
  expect(begun.map(({ id }) => id)).toEqual([first, second]);
  expect([paused, ended]).toEqual([[first], []]);
  expect(await runs.pause(first)).toMatchObject({ state: 'paused' });
  expect(runs.list({ limit: 10, state: 'paused' }).map(({ id }) => id)).toEqual([first]);
  expect(runs.resume(first)).toMatchObject({ state: 'waiting', waitReason: 'turn' });
  // The gate of the cut attempt, then that of the other run.
  await letGo();
  await letGo();
  expect(begun.map(({ id }) => id)).toEqual([first, second, first]);
  await letGo();
  await runs.idle();
  for (const id of [first, second])
    expect(runs.get(id)).toMatchObject({ state: 'ended', outcome: 'converged' });
  expect(runs.resume(first)).toMatchObject({ state: 'ended' });
  expect(await runs.pause(first)).toMatchObject({ state: 'ended' });
});

test('what waits can be paused too; what is paused can be cancelled, and ends with the service', async () => {
  const { runs, begun, ended, letGo } = heldRuns();
  const [first = '', second = '', third = ''] = [0, 1, 2].map(
    (shard) => runs.add({ ...scheduled, shard }).id,
  );
  await new Promise(setImmediate);
  for (const id of [second, third]) expect(await runs.pause(id)).toMatchObject({ state: 'paused' });
  await letGo();
  expect(begun.map(({ id }) => id)).toEqual([first]);
  expect(runs.cancel(second)).toMatchObject({ state: 'ended', outcome: 'cancelled' });
  await runs.stop();
  expect(runs.get(third)).toMatchObject({ state: 'ended', outcome: 'cancelled' });
  expect(ended).toEqual([first, second, third]);
  expect(runs.paused).toBe(0);
});

test('counts go on over a pause; a dry run says all of it again', async () => {
  const counts = { differing: 3, changed: 3, kept: 0, failed: 0, shipped: 3, bytes: 30 };
  for (const dryRun of [false, true]) {
    const history = openHistory();
    const entered: PromiseWithResolvers<void>[] = [];
    const work = async (run: Run, signal: AbortSignal): Promise<void> => {
      const again = entered.length > 0;
      for (const entity of ['g/n/a', 'g/n/b']) run.change(changeOf(entity, dryRun ? 'planned' : 'changed'));
      run.progress('carry out', { propertiesDone: 2, propertiesTotal: 5, bytes: 20 });
      entered.push(Promise.withResolvers());
      entered.at(-1)?.resolve();
      if (!again)
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      run.end({ outcome: dryRun ? 'differs' : 'converged', reason: null, counts });
    };
    const runs = new Runs({
      clock: new TestClock(),
      history,
      tracer: null,
      work: { build: work, repair: work },
      onStart: () => {},
      onEnd: () => {},
      onPause: () => {},
    });
    const { id } = runs.add({ ...byHand, dryRun });
    await new Promise(setImmediate);
    const held = await runs.pause(id);
    runs.resume(id);
    await runs.idle();
    const run = runs.get(id);
    if (dryRun) {
      expect(held).toMatchObject({ changes: 0, counts: { differing: 0 } });
      expect([run.changes, runs.changes(id, 0, 10).length, run.counts]).toEqual([2, 2, counts]);
    } else {
      expect(held.counts).toEqual({ differing: 2, changed: 2, kept: 0, failed: 0, shipped: 2, bytes: 20 });
      expect([run.changes, runs.changes(id, 0, 10).length]).toEqual([4, 4]);
      expect(run.counts).toEqual({ differing: 5, changed: 5, kept: 0, failed: 0, shipped: 5, bytes: 50 });
    }
  }
});

test('stopping ends everything and takes no more', async () => {
  const { runs, ended } = heldRuns();
  const ids = [0, 1].map((shard) => runs.add({ ...scheduled, shard }).id);
  await new Promise(setImmediate);
  await runs.stop();
  expect(ended.sort()).toEqual(ids.sort());
  expect(() => runs.add(scheduled)).toThrow(/stopping/);
});

test('followers are told of each step of the runs they follow', async () => {
  const { runs, letGo } = heldRuns();
  const all: string[] = [];
  const stop = runs.follow(null, ({ state }) => all.push(state));
  runs.add(scheduled);
  await new Promise(setImmediate);
  await letGo();
  await runs.idle();
  expect(all).toEqual(['waiting', 'running', 'ended']);
  stop();
  expect(runs.followers).toBe(0);
});

test('runs under way when a process died are told as failed by the next', async () => {
  const path = historyPath();
  const dead = openHistory(path);
  const { runs } = heldRuns(dead);
  const { id } = runs.add(scheduled);
  const { id: waiting } = runs.add({ ...scheduled, shard: 1 });
  await new Promise(setImmediate);
  const next = openHistory(path);
  expect(next.endInterrupted(1_000)).toBe(2);
  expect(next.endInterrupted(1_000)).toBe(0);
  for (const one of [id, waiting])
    expect(next.run(one)).toMatchObject({ state: 'ended', outcome: 'failed', error: { code: 'cancelled' } });
});

test('the history forgets what is old, with its changes and keys', async () => {
  const { runs, clock, letGo, history } = heldRuns();
  const order = { key: 'k', fingerprint: 'f' };
  const old = runs.add(scheduled, order);
  expect(runs.add(scheduled, order).id).toBe(old.id);
  expect(() => runs.add(scheduled, { ...order, fingerprint: 'other' })).toThrow(/another order/);
  history.addChanges(old.id, 1, [
    {
      group: 'g',
      shard: 0,
      entity: 'g/n/a',
      place: 'p',
      result: 'changed',
      before: null,
      after: { revision: '1', deleteTime: '0', digest: '00' },
      reason: 'absent',
    },
  ]);
  await new Promise(setImmediate);
  await letGo();
  await runs.idle();
  clock.wallMs += 60_000;
  const young = runs.add({ ...scheduled, shard: 1 });
  expect(history.changes(old.id, 0, 10)).toHaveLength(1);
  expect(history.sweep(clock.nowMs() - 30_000)).toBe(1);
  expect(history.run(old.id)).toBeNull();
  expect(history.changes(old.id, 0, 10)).toEqual([]);
  expect(history.run(young.id)).not.toBeNull();
  expect(history.runOfKey('k', 'f')).toBeNull();
});

test('a damaged history is set aside and begun anew', () => {
  const path = historyPath();
  writeFileSync(path, 'no database at all, but long enough to be taken for one'.repeat(100));
  const told: CodedError[] = [];
  using history = History.open(path, (_, error) => told.push(error));
  expect(told).toMatchObject([{ code: 'damaged-database' }]);
  history.remember('a', 'b');
  expect(history.recall('a')).toBe('b');
});
