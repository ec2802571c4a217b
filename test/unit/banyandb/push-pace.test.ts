/** How fast a node is pushed to. */
import { expect, test } from 'vitest';
import { PushPace } from '../../../src/banyandb/push-pace.ts';
import { TestClock } from '../../support/test-clock.ts';

test('pushes keep to their rate', async () => {
  const clock = new TestClock();
  const pace = new PushPace(clock, 100);
  for (let push = 0; push < 101; push++) await pace.wait();
  expect(clock.monotonicMs()).toBeCloseTo(1_000, 0);
  const unbounded = new PushPace(clock, 0);
  for (let push = 0; push < 100; push++) await unbounded.wait();
  expect(clock.monotonicMs()).toBeCloseTo(1_000, 0);
});
