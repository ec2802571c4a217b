import { expect, test } from 'vitest';
import { ViewLeases } from '../../../src/peer/view-leases.ts';
import type { ShardView } from '../../../src/shard-copy/shard-copy.ts';
import { StandingClock } from '../../support/standing-clock.ts';

function viewOf(shard: number, closed: number[]): ShardView {
  return {
    description: { group: 'g', shard },
    [Symbol.asyncDispose]: async () => void closed.push(shard),
  } as unknown as ShardView;
}

const gone = expect.objectContaining({ code: 'generation-gone' });

test('a lease ends a minute after its last use, and not while it is in use', async () => {
  const clock = new StandingClock();
  const closed: number[] = [];
  await using leases = new ViewLeases(clock);
  const first = await leases.add(viewOf(0, closed));
  const second = await leases.add(viewOf(1, closed));
  await second[Symbol.asyncDispose]();
  await clock.move(50_000);
  await leases.use(second.id, 'g', 1)[Symbol.asyncDispose]();
  await clock.move(50_000);
  expect(closed).toEqual([]);
  await clock.move(30_000);
  expect(closed).toEqual([1]);
  expect(() => leases.use(second.id, 'g', 1)).toThrow(gone);
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  await clock.move(80_000);
  expect(closed).toEqual([1, 0]);
  expect(leases.size).toBe(0);
});

test('a lease is good for its own shard only', async () => {
  await using leases = new ViewLeases(new StandingClock());
  const { id } = await leases.add(viewOf(3, []));
  expect(() => leases.use(id, 'g', 4)).toThrow(gone);
  expect(() => leases.use(id, 'h', 3)).toThrow(gone);
  expect(() => leases.use(id + 1n, 'g', 3)).toThrow(gone);
  expect(leases.use(id, 'g', 3).view.description.shard).toBe(3);
});

test('where there are too many, the longest unused goes; where all are in use, the next is refused', async () => {
  const closed: number[] = [];
  const leases = new ViewLeases(new StandingClock(), 2);
  const first = await leases.add(viewOf(0, closed));
  const second = await leases.add(viewOf(1, closed));
  await expect(leases.add(viewOf(2, closed))).rejects.toMatchObject({ code: 'busy' });
  expect(closed).toEqual([2]);
  await second[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  await leases.add(viewOf(3, closed));
  expect(closed).toEqual([2, 1]);
  expect(leases.use(first.id, 'g', 0).id).toBe(first.id);
  await leases[Symbol.asyncDispose]();
  expect(closed.toSorted()).toEqual([0, 1, 2, 3]);
});

test('a lease that is given back ends at once, or with the last call that uses it, and is gone for others', async () => {
  const closed: number[] = [];
  await using leases = new ViewLeases(new StandingClock());
  const first = await leases.add(viewOf(0, closed));
  const second = await leases.add(viewOf(1, closed));
  await first[Symbol.asyncDispose]();
  await leases.release(first.id, 'g', 0);
  expect(closed).toEqual([0]);
  await leases.release(second.id, 'g', 1);
  expect(closed).toEqual([0]);
  expect(leases.size).toBe(0);
  await expect(leases.release(second.id, 'g', 1)).rejects.toEqual(gone);
  expect(() => leases.use(second.id, 'g', 1)).toThrow(gone);
  await second[Symbol.asyncDispose]();
  expect(closed).toEqual([0, 1]);
});
