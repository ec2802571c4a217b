import { expect, test } from 'vitest';
import { SpareHeap } from '../../../src/lib/spare-heap.ts';

test('what has become garbage is collected, and then there is nothing to collect', () => {
  const heap = new SpareHeap();
  heap.release();
  const before = process.memoryUsage().heapTotal;
  let garbage: string[] | null = Array.from(
    { length: 400_000 },
    (_, number) => `a text that is garbage soon ${number}`,
  );
  expect(garbage).toHaveLength(400_000);
  const full = process.memoryUsage().heapTotal;
  expect(full).toBeGreaterThan(before + 16 * 1024 * 1024);
  garbage = null;
  expect(heap.release()).toBe(true);
  expect(process.memoryUsage().heapTotal).toBeLessThan(full - 8 * 1024 * 1024);
  expect(heap.release()).toBe(false);
});
