/** How fast a node is pushed to, on models of one that does other work too. */
import { describe, expect, test } from 'vitest';
import { PushPace } from '../../../src/banyandb/push-pace.ts';
import { TestClock } from '../../support/test-clock.ts';

const perSecond = 200;

interface Pushing {
  readonly clock: TestClock;
  readonly pace: PushPace;
}

function pushing(limit = perSecond): Pushing {
  const clock = new TestClock();
  const pace = new PushPace(clock, limit);
  pace.over(1);
  return { clock, pace };
}

/** Pushes one after another for so many seconds to a node that takes `tookMs` for each; how many that are. */
async function push(
  { clock, pace }: Pushing,
  seconds: number,
  tookMs: (at: number) => number,
): Promise<number> {
  const endMs = clock.monotonicMs() + 1000 * seconds;
  let pushes = 0;
  while (clock.monotonicMs() < endMs) {
    while (!pace.take()) await pace.wait();
    const took = tookMs(pushes++);
    await clock.sleep(took);
    pace.took(took);
  }
  return pushes;
}

/** Without other work: a merge now and then. */
const idle = (at: number): number => (at % 5 === 0 ? 5 : at % 50 === 1 ? 40 : 2);

/** With writes beside them, which hold up a part of them. */
const busy = (at: number): number => (at % 5 === 0 ? 20 : 2);

const slower = (tookMs: (at: number) => number, times: number) => (at: number) => times * tookMs(at);

describe('the pace of pushes', () => {
  test('keeps to its limit, and comes near it where the node has nothing else to do', async () => {
    const pushed = pushing();
    expect(await push(pushed, 1, idle)).toBeLessThan(perSecond / 2);
    await push(pushed, 20, idle);
    const atLimit = await push(pushed, 10, idle);
    expect(atLimit).toBeGreaterThan(9.5 * perSecond);
    expect(atLimit).toBeLessThanOrEqual(10 * perSecond + 11);
    expect(pushed.pace.perSecond).toBe(perSecond);
  });

  test('is not held where there is no limit', async () => {
    const { clock, pace } = pushing(0);
    for (let at = 0; at < 1_000; at++) {
      expect(pace.take()).toBe(true);
      pace.took(busy(at));
    }
    expect(clock.monotonicMs()).toBe(0);
  });

  test('yields while the node has other work, never to a standstill, and comes back after', async () => {
    const pushed = pushing();
    await push(pushed, 20, idle);
    await push(pushed, 10, busy);
    const pushes = await push(pushed, 60, busy);
    expect(pushes).toBeLessThanOrEqual((60 * perSecond) / 10 + 1);
    expect(pushes).toBeGreaterThan((55 * perSecond) / 10);
    await push(pushed, 30, idle);
    expect(pushed.pace.perSecond).toBe(perSecond);
  });

  test('begins slowly, and stays so where the node is busy from the first', async () => {
    const pushed = pushing();
    await push(pushed, 20, busy);
    expect(pushed.pace.perSecond).toBe(perSecond / 10);
  });

  test('a node that takes next to no time is not busy, however unlike its pushes are', async () => {
    const pushed = pushing();
    await push(pushed, 20, (at) => (at % 5 === 0 ? 4 : 0.2));
    expect(pushed.pace.perSecond).toBe(perSecond);
  });

  test('a limit of one a second is kept', async () => {
    expect(await push(pushing(1), 100, idle)).toBeLessThanOrEqual(101);
  });

  test('gets used to a node that takes longer for good', async () => {
    const pushed = pushing();
    await push(pushed, 20, idle);
    await push(pushed, 20, slower(idle, 2));
    expect(pushed.pace.perSecond).toBeLessThan(perSecond);
    await push(pushed, 100, slower(idle, 2));
    expect(await push(pushed, 10, slower(idle, 2))).toBeGreaterThan(6 * perSecond);
  });

  test('does not take for other work that more streams wait for each other', async () => {
    const pushed = pushing();
    await push(pushed, 20, idle);
    pushed.pace.over(4);
    await push(pushed, 10, slower(idle, 1.9));
    expect(pushed.pace.perSecond).toBe(perSecond);
  });
});
