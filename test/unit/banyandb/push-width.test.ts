/** How many streams push to a node, on nodes that are quicker with more of them up to some number. */
import { describe, expect, test } from 'vitest';
import { pushStreamsMax, PushWidth, type PushWidthOptions } from '../../../src/banyandb/push-width.ts';

const batch = 50;

interface Pushed {
  /** Streams of each batch. */
  readonly streams: readonly number[];
  readonly seconds: number;
}

/** Pushes as many as are expected, in batches, at most `perSecond` a second, to a node that takes `rate(streams, batch)`. */
function pushAll(
  options: Partial<PushWidthOptions> & { expected: number; perSecond?: number },
  rate: (streams: number, at: number) => number,
): Pushed {
  const { perSecond = 0, properties = 0, expected, paced = true } = options;
  const width = new PushWidth({ expected, properties, paced });
  const streams: number[] = [];
  let seconds = 0;
  for (let at = 0; at * batch < expected; at++) {
    streams.push(width.streams);
    const taken = rate(width.streams, at);
    const took = batch / (perSecond === 0 ? taken : Math.min(perSecond, taken));
    seconds += took;
    width.took(batch, 1000 * took, perSecond > 0 && taken > perSecond ? batch : 0);
  }
  return { streams, seconds };
}

/** As measured on a real node. */
const measured = (streams: number): number => ({ 1: 185, 2: 220, 4: 290, 8: 345 })[streams] ?? Number.NaN;

const settled = ({ streams }: Pushed): number => streams.at(-1) ?? 0;

describe('the number of streams', () => {
  test('begins with one, and grows where the node is quicker with more', () => {
    const { streams } = pushAll({ expected: 4_000 }, (count) => 40 * count);
    expect(streams[0]).toBe(1);
    expect(streams).toContain(8);
    expect(streams.every((count, at) => at === 0 || count <= 2 * (streams[at - 1] ?? 0))).toBe(true);
  });

  test('stays within its ceiling however much quicker more would be', () => {
    const { streams } = pushAll({ expected: 6_000 }, (count) => 10 * count);
    expect(Math.max(...streams)).toBe(pushStreamsMax);
  });

  test('goes back to the number that was as quick', () => {
    const flat = pushAll({ expected: 20_000 }, () => 250);
    expect(new Set(flat.streams)).toEqual(new Set([1, 2]));
    expect(settled(flat)).toBe(1);
    // No more than one span in each that is held goes to trying.
    expect(flat.streams.filter((count) => count === 2).length).toBeLessThan(0.2 * flat.streams.length);
  });

  test('leaves the number at which the node slows down again', () => {
    const slows = pushAll({ expected: 4_000 }, (count) => (count <= 4 ? 20 * count : 30));
    expect(settled(slows)).toBe(4);
  });

  test('on a node as it was measured: some streams, and less time than with one', () => {
    const { streams, seconds } = pushAll({ expected: 10_000 }, measured);
    expect(Math.max(...streams)).toBeGreaterThan(1);
    expect(seconds).toBeLessThan(0.9 * (10_000 / measured(1)));
  });

  test('follows the node: fewer when more no longer help, more when they help again', () => {
    const busy = pushAll({ expected: 60_000, properties: -60_000 }, (count, at) =>
      at < 100 ? 100 * count : 120,
    );
    expect(busy.streams.slice(0, 100)).toContain(8);
    expect(busy.streams.slice(-20).every((count) => count <= 2)).toBe(true);
    const freed = pushAll({ expected: 60_000, properties: -60_000 }, (count, at) =>
      at < 100 ? 120 : 100 * count,
    );
    expect(settled(freed)).toBeGreaterThanOrEqual(4);
  });

  test('begins with as many as may pay off where no pace holds the pushes', () => {
    const unpaced = (expected: number, rate = measured) => pushAll({ expected, paced: false }, rate);
    expect(new Set(unpaced(10_000).streams)).toEqual(new Set([8]));
    expect(unpaced(10_000).seconds).toBeLessThan(pushAll({ expected: 10_000 }, measured).seconds);
    expect(unpaced(50).streams[0]).toBe(1);
    expect(unpaced(50_000).streams[0]).toBe(2);
    expect(unpaced(100_000).streams[0]).toBe(1);
    // It finds out where fewer would do.
    expect(settled(unpaced(30_000, () => 100))).toBeLessThan(4);
  });

  test('takes those that are open again without counting their builds twice', () => {
    const { streams } = pushAll({ expected: 16_000, paced: false }, measured);
    expect(streams).toContain(4);
    expect(settled({ streams, seconds: 0 })).toBe(8);
  });

  test('adds none where the limit is reached with fewer', () => {
    const near = pushAll({ expected: 20_000, perSecond: 180 }, measured);
    expect(new Set(near.streams)).toEqual(new Set([1]));
    const slow = pushAll({ expected: 20_000, perSecond: 200 }, (count) => 110 * count);
    expect(Math.max(...slow.streams)).toBe(2);
  });

  test('adds none for what the builds of their trees would cost more than they save', () => {
    expect(new Set(pushAll({ expected: 200 }, measured).streams)).toEqual(new Set([1]));
    expect(new Set(pushAll({ expected: 2_000, properties: 100_000 }, measured).streams)).toEqual(
      new Set([1]),
    );
    // A large fill that one stream would take long for may have a second one, and no more.
    const large = pushAll({ expected: 100_000 }, (count) => 110 * count);
    expect(Math.max(...large.streams)).toBe(2);
  });

  test('is one where nobody knows how much is to come', () => {
    const width = new PushWidth({ expected: 0, properties: 0, paced: false });
    for (let at = 0; at < 50; at++) width.took(batch, 1_000, 0);
    expect(width.streams).toBe(1);
  });
});
