/** Copies seen to differ between rounds: the shard is visited soon, and no more often than that helps. */
import { beforeEach, expect, test } from 'vitest';
import { Schedule } from '../../../src/schedule/schedule.ts';
import { cron, hour, minute, type OptionChanges, scheduleOptions } from '../../support/schedule-options.ts';

let nowMs = 0;
beforeEach(() => {
  nowMs = Date.parse('2026-03-01T00:00:00Z');
});

/** Rounds are hourly by cron, so that what is due sooner is due for another reason. */
function scheduled(changes: OptionChanges = {}): Schedule {
  const round = { cron: cron('@hourly'), ...changes.round };
  const schedule = new Schedule(
    scheduleOptions({ ...changes, round }),
    { lastRoundFiringMs: null, paused: false },
    nowMs,
  );
  schedule.observe('g', 0, false, nowMs);
  return schedule;
}

/** Looks every ten seconds and gives when the shard was visited, in seconds from the first look. */
function visits(
  schedule: Schedule,
  { lastsMs, differs }: { lastsMs: number; differs: (sinceMs: number) => boolean },
): [number, string][] {
  const startMs = nowMs;
  const found: [number, string][] = [];
  for (; nowMs < startMs + lastsMs; nowMs += 10_000) {
    schedule.observeCopies('g', 0, differs(nowMs - startMs), nowMs);
    for (const { trigger } of schedule.due(nowMs).rounds) {
      found.push([(nowMs - startMs) / 1_000, trigger]);
      schedule.ended('round', 'g', 0, nowMs, 100);
    }
  }
  return found;
}

test('copies that go on differing are visited after the delay, once, and then by the cron', () => {
  const schedule = scheduled();
  expect(visits(schedule, { lastsMs: 70 * minute, differs: () => true })).toEqual([
    [60, 'differs'],
    [3_600, 'cron'],
  ]);
});

test('what passes before the delay is over is no reason', () => {
  const schedule = scheduled();
  const flickers = { lastsMs: 59 * minute, differs: (ms: number) => ms % minute < 50_000 };
  expect(visits(schedule, flickers)).toEqual([]);
});

test('differences that come again and again are visited at most once an interval', () => {
  const schedule = scheduled();
  const returning = { lastsMs: 30 * minute, differs: (ms: number) => ms % (2 * minute) >= 30_000 };
  const times = visits(schedule, returning).map(([seconds]) => seconds);
  expect(times.length).toBeGreaterThan(2);
  for (const [at, seconds] of times.entries())
    if (at > 0) expect(seconds - (times[at - 1] ?? 0)).toBeGreaterThanOrEqual(300);
});

test('the reason and the time are told', () => {
  const schedule = scheduled({ round: { jitterMs: 20_000 } });
  expect(schedule.outlook('g', 0, nowMs)).toMatchObject({ roundWaits: 'not-due' });
  schedule.observeCopies('g', 0, true, nowMs);
  const outlook = schedule.outlook('g', 0, nowMs);
  const dueMs = outlook?.nextRoundAtMs ?? 0;
  expect(outlook?.roundWaits).toBe('differs');
  expect(dueMs).toBeGreaterThanOrEqual(nowMs + minute);
  expect(dueMs).toBeLessThan(nowMs + minute + 20_000);
  expect(schedule.nextWakeMs(nowMs)).toBe(dueMs);
  expect(schedule.due(dueMs - 1).rounds).toEqual([]);
  expect(schedule.due(dueMs).rounds).toEqual([{ group: 'g', shard: 0, trigger: 'differs' }]);
  expect(schedule.outlook('g', 0, dueMs)).toMatchObject({ roundWaits: 'running' });
});

test('a visit that was cancelled is not begun again by itself', () => {
  const schedule = scheduled();
  schedule.observeCopies('g', 0, true, nowMs);
  expect(schedule.due(nowMs + minute).rounds).toHaveLength(1);
  schedule.ended('round', 'g', 0, nowMs + minute, null);
  schedule.observeCopies('g', 0, true, nowMs + minute);
  expect(schedule.due(nowMs + 2 * minute).rounds).toEqual([]);
});

test('nothing of the kind while rounds are off, paused, or in a window', () => {
  const windows = [{ start: cron('0 0 * * *'), lastsMs: hour / 2 }];
  for (const schedule of [scheduled({ round: { off: true } }), scheduled({ windows }), scheduled()]) {
    schedule.observeCopies('g', 0, true, nowMs);
    schedule.paused = schedule.outlook('g', 0, nowMs)?.roundWaits === 'differs';
    expect(schedule.due(nowMs + 2 * minute).rounds).toEqual([]);
    expect(schedule.outlook('g', 0, nowMs + 2 * minute)?.roundWaits).toMatch(/off|window|paused/);
  }
});
