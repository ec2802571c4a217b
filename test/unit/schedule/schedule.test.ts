/** The schedule over a clock that is set by hand: what is due, what is not and why. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Schedule } from '../../../src/schedule/schedule.ts';
import type { ScheduleMemory } from '../../../src/schedule/schedule-options.ts';
import { cron, hour, minute, type OptionChanges, scheduleOptions } from '../../support/schedule-options.ts';
import { TestClock } from '../../support/test-clock.ts';

const nothing: ScheduleMemory = { lastRoundFiringMs: null, paused: false };
let clock: TestClock;
beforeEach(() => {
  clock = new TestClock(Date.parse('2026-03-01T00:00:00Z'));
});

/** A schedule with shards 0 to `count` of group g, none of which has moved. */
function scheduled(
  changes: OptionChanges = {},
  { count = 2, memory = nothing }: { count?: number; memory?: ScheduleMemory } = {},
): Schedule {
  const schedule = new Schedule(scheduleOptions(changes), memory, clock.nowMs());
  for (let shard = 0; shard < count; shard += 1) schedule.observe('g', shard, false, clock.nowMs());
  return schedule;
}

const shardsOf = (due: readonly { readonly shard: number }[]): number[] => due.map(({ shard }) => shard);
const outlook = (schedule: Schedule, shard: number) => schedule.outlook('g', shard, clock.nowMs());

describe('builds', () => {
  test('on the cron only what moved, and the skip of the rest has a name', () => {
    const schedule = scheduled({ build: { quickDelayMs: 24 * hour } });
    clock.wallMs += 59 * minute;
    schedule.observe('g', 1, true, clock.nowMs());
    expect(schedule.due(clock.nowMs()).builds).toEqual([]);
    clock.wallMs += minute;
    expect(schedule.due(clock.nowMs()).builds).toEqual([{ group: 'g', shard: 1, trigger: 'cron' }]);
    expect(outlook(schedule, 0)).toMatchObject({
      lastBuildSkip: { reason: 'unchanged', atMs: clock.nowMs() },
      buildWaits: 'unchanged',
    });
    expect(schedule.due(clock.nowMs()).builds).toEqual([]);
  });

  test('soon after the first write, however many follow', () => {
    const schedule = scheduled();
    clock.wallMs += minute;
    schedule.observe('g', 0, true, clock.nowMs());
    for (let writes = 0; writes < 9; writes += 1) {
      clock.wallMs += minute;
      schedule.observe('g', 0, true, clock.nowMs());
      expect(schedule.due(clock.nowMs()).builds).toEqual([]);
    }
    expect(outlook(schedule, 0)).toMatchObject({
      buildWaits: 'quick-delay',
      nextBuildAtMs: clock.nowMs() + minute,
    });
    expect(schedule.nextWakeMs(clock.nowMs())).toBeLessThanOrEqual(clock.nowMs() + minute);
    clock.wallMs += minute;
    expect(schedule.due(clock.nowMs()).builds).toEqual([{ group: 'g', shard: 0, trigger: 'quick' }]);
  });

  test('never two of one shard: what is under way is skipped by name and handed out again once it ended', () => {
    const schedule = scheduled();
    schedule.observe('g', 0, true, clock.nowMs());
    clock.wallMs += 10 * minute;
    expect(shardsOf(schedule.due(clock.nowMs()).builds)).toEqual([0]);
    clock.wallMs += 50 * minute;
    expect(schedule.due(clock.nowMs()).builds).toEqual([]);
    expect(outlook(schedule, 0)).toMatchObject({
      lastBuildSkip: { reason: 'running' },
      buildWaits: 'running',
    });
    schedule.ended('build', 'g', 0, clock.nowMs(), 1);
    expect(shardsOf(schedule.due(clock.nowMs()).builds)).toEqual([0]);
  });

  test('by the half-interval rule wait for the cron in the second half', () => {
    const schedule = scheduled({ build: { halfInterval: true } });
    schedule.observe('g', 0, true, clock.nowMs());
    clock.wallMs += 25 * minute;
    schedule.observe('g', 1, true, clock.nowMs());
    expect(shardsOf(schedule.due(clock.nowMs()).builds)).toEqual([0]);
    clock.wallMs += 10 * minute;
    expect(schedule.due(clock.nowMs()).builds).toEqual([]);
    expect(outlook(schedule, 1)).toMatchObject({
      lastBuildSkip: { reason: 'half-interval' },
      buildWaits: 'half-interval',
    });
    clock.wallMs += 25 * minute;
    expect(shardsOf(schedule.due(clock.nowMs()).builds)).toEqual([1]);
  });
});

describe('rounds', () => {
  test('leave a shard alone that is being visited, and say so', () => {
    const schedule = scheduled({}, { count: 2 });
    const fire = (): number[] => {
      clock.wallMs += 10 * minute;
      return schedule.due(clock.nowMs()).rounds.map(({ shard }) => shard);
    };
    expect(fire()).toEqual([0, 1]);
    schedule.ended('round', 'g', 1, clock.nowMs(), 1_000);
    expect(fire()).toEqual([1]);
    expect(outlook(schedule, 0)).toMatchObject({ lastRoundSkip: { reason: 'running' } });
    schedule.ended('round', 'g', 0, clock.nowMs(), 1_000);
    expect(fire()).toEqual([0]);
  });

  test('visit those that were visited longest ago first, some per firing', () => {
    const schedule = scheduled({ round: { shardsPerFiring: 2 } }, { count: 5 });
    const visited: number[] = [];
    for (let firing = 0; firing < 5; firing += 1) {
      clock.wallMs += 10 * minute;
      for (const { shard } of schedule.due(clock.nowMs()).rounds) {
        visited.push(shard);
        clock.wallMs += 1;
        schedule.ended('round', 'g', shard, clock.nowMs(), 1_000);
      }
    }
    expect(visited).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    expect(outlook(schedule, 0)).toMatchObject({ lastRoundSkip: { reason: 'older-first' } });
  });

  test('a visit that did not take place leaves the shard where it was in the order', () => {
    const schedule = scheduled({ round: { shardsPerFiring: 1 } });
    for (let firing = 0; firing < 3; firing += 1) {
      clock.wallMs += 10 * minute;
      expect(shardsOf(schedule.due(clock.nowMs()).rounds)).toEqual([0]);
      schedule.ended('round', 'g', 0, clock.nowMs(), null);
    }
  });

  test('remember visits over a restart', () => {
    const schedule = new Schedule(scheduleOptions({ round: { shardsPerFiring: 1 } }), nothing, clock.nowMs());
    schedule.observe('g', 0, false, clock.nowMs(), clock.nowMs() - hour);
    schedule.observe('g', 1, false, clock.nowMs(), clock.nowMs() - 2 * hour);
    clock.wallMs += 10 * minute;
    expect(shardsOf(schedule.due(clock.nowMs()).rounds)).toEqual([1]);
  });

  test('are off by name', () => {
    const schedule = scheduled({ round: { off: true } });
    clock.wallMs += 10 * minute;
    expect(schedule.due(clock.nowMs()).rounds).toEqual([]);
    expect(outlook(schedule, 0)).toMatchObject({ roundWaits: 'off', lastRoundSkip: { reason: 'off' } });
  });

  test('the forecast says which shards will miss their deadline', () => {
    const schedule = scheduled(
      { round: { shardsPerFiring: 1, deadlineMs: 25 * minute, deadlines: new Map([['slow', hour]]) } },
      { count: 3 },
    );
    schedule.observe('slow', 0, false, clock.nowMs());
    const times = [0, 1, 2]
      .map((shard) => outlook(schedule, shard))
      .map((one) => [one?.nextRoundAtMs, one?.onTime]);
    const start = clock.nowMs();
    expect(times).toEqual([
      [start + 10 * minute, true],
      [start + 20 * minute, true],
      [start + 30 * minute, false],
    ]);
    expect(schedule.outlook('slow', 0, clock.nowMs())).toMatchObject({
      onTime: true,
      nextRoundAtMs: start + 40 * minute,
    });
    expect(schedule.lateShards(clock.nowMs())).toBe(1);
  });

  test('the forecast knows how long visits take, and windows', () => {
    const windows = [{ start: cron('15 0 * * *'), lastsMs: 2 * hour }];
    const schedule = scheduled({ windows }, { count: 3 });
    clock.wallMs += 10 * minute;
    for (const { shard } of schedule.due(clock.nowMs()).rounds)
      schedule.ended('round', 'g', shard, clock.nowMs(), 4 * minute);
    const midnight = Date.parse('2026-03-01T00:00:00Z');
    // The next firing falls into the window, which ends at 02:15.
    expect([0, 1, 2].map((shard) => (outlook(schedule, shard)?.nextRoundAtMs ?? 0) - midnight)).toEqual([
      135 * minute,
      139 * minute,
      143 * minute,
    ]);
  });
});

describe('downtime, windows and pauses', () => {
  const memory: ScheduleMemory = { lastRoundFiringMs: Date.parse('2026-02-27T00:00:00Z'), paused: false };

  test('many missed firings are made up for once', () => {
    const schedule = scheduled({}, { memory });
    expect(schedule.due(clock.nowMs()).rounds.map(({ trigger }) => trigger)).toEqual(['cron', 'cron']);
    clock.wallMs += 5 * minute;
    const later = scheduled({}, { memory });
    expect(later.due(clock.nowMs()).rounds.map(({ trigger }) => trigger)).toEqual(['catch-up', 'catch-up']);
    for (const shard of [0, 1]) later.ended('round', 'g', shard, clock.nowMs(), 1);
    expect(later.due(clock.nowMs()).rounds).toEqual([]);
    clock.wallMs += 5 * minute;
    expect(later.due(clock.nowMs()).rounds).toHaveLength(2);
  });

  test('or not at all', () => {
    clock.wallMs += 5 * minute;
    const schedule = scheduled({ catchUp: false }, { memory });
    expect(schedule.due(clock.nowMs()).rounds).toEqual([]);
    clock.wallMs += 30 * minute;
    expect(schedule.due(clock.nowMs()).rounds).toEqual([]);
    expect(outlook(schedule, 0)).toMatchObject({ lastRoundSkip: { reason: 'missed' } });
  });

  test('nothing is due in a window, once afterwards', () => {
    const schedule = scheduled({ windows: [{ start: cron('5 0 * * *'), lastsMs: 3 * hour }] });
    schedule.observe('g', 0, true, clock.nowMs());
    for (let passed = 0; passed < 18; passed += 1) {
      clock.wallMs += 10 * minute;
      expect(schedule.due(clock.nowMs())).toEqual({ builds: [], rounds: [] });
    }
    expect(outlook(schedule, 0)).toMatchObject({
      buildWaits: 'window',
      roundWaits: 'window',
      lastBuildSkip: { reason: 'window' },
      lastRoundSkip: { reason: 'window' },
    });
    expect(schedule.nextWakeMs(clock.nowMs())).toBe(Date.parse('2026-03-01T03:05:00Z'));
    clock.wallMs += 6 * minute;
    const { builds, rounds } = schedule.due(clock.nowMs());
    expect(builds).toEqual([{ group: 'g', shard: 0, trigger: 'catch-up' }]);
    expect(rounds.map(({ trigger }) => trigger)).toEqual(['catch-up', 'catch-up']);
  });

  test('nothing is due while it is paused, also after a restart', () => {
    const schedule = scheduled({}, { memory: { ...nothing, paused: true } });
    clock.wallMs += 20 * minute;
    expect(schedule.due(clock.nowMs()).rounds).toEqual([]);
    expect(outlook(schedule, 1)).toMatchObject({ roundWaits: 'paused' });
    schedule.paused = false;
    expect(schedule.due(clock.nowMs()).rounds).toHaveLength(2);
  });
});

test('jitter delays each firing by its own share, the same for a seed and other for other seeds', () => {
  const delays = (seed: string): number[] => {
    const schedule = scheduled({ seed, round: { jitterMs: 5 * minute } });
    return Array.from({ length: 20 }, () => {
      const wakeMs = outlook(schedule, 0)?.nextRoundAtMs ?? 0;
      clock.wallMs = wakeMs;
      for (const { shard } of schedule.due(wakeMs).rounds) schedule.ended('round', 'g', shard, wakeMs, 1);
      return wakeMs % (10 * minute);
    });
  };
  const start = clock.wallMs;
  const one = delays('one');
  clock.wallMs = start;
  const again = delays('one');
  clock.wallMs = start;
  const two = delays('two');
  expect(one).toEqual(again);
  expect(one).not.toEqual(two);
  expect(Math.max(...one)).toBeLessThanOrEqual(5 * minute);
  expect(new Set(one).size).toBeGreaterThan(15);
});

test('shards that are gone are forgotten', () => {
  const schedule = scheduled();
  schedule.retain([{ group: 'g', shard: 1 }]);
  expect(outlook(schedule, 0)).toBeNull();
  clock.wallMs += 10 * minute;
  expect(shardsOf(schedule.due(clock.nowMs()).rounds)).toEqual([1]);
});
