/**
 * Keeps the heap of a process that runs beside others small. On a machine with much memory V8 lets values that
 * pass through (fetched, applied, forgotten) pile up for hundreds of MiB before it collects them.
 *
 * NOTE: measured at 100,000 values of 2 kB in a round: 310 to 375 MiB resident without, 180 to 220 MiB with,
 * for about a tenth more processor time. Flags of a running V8 are no API: where one is unknown it has no effect.
 *
 * NOTE: beside the heaps glibc keeps a pool for each thread. The npm script, the systemd unit and the container set
 * MALLOC_ARENA_MAX=2: measured at 40,000 values of 2 kB pulled, 227 to 231 MiB without and 204 with, at no cost.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Size at which the young generation stops growing: what is in flight fits, so little is kept by mistake. */
const youngBytesMax = 16 * 1024 * 1024;

/** The old generation is collected when it has grown by this share: it holds little that lasts. */
const oldGrowthPercent = 40;

/**
 * Half of the young generation with which a thread begins, where its own limit allows that: the main heap's growth has
 * mostly been stopped by then, and with the 1 MiB of V8 a batch that is applied outlives several collections. Measured at
 * 40,000 values of 2 kB pulled: 140 collections of the apply thread and 2 of its old generation, where it had 620 and 16.
 */
const threadNurseryMb = 4;

/** To be called once, when the process starts. */
export function keepHeapSmall(): void {
  setFlagsFromString(`--min-semi-space-size=${threadNurseryMb}`);
  setFlagsFromString(`--heap-growing-percent=${oldGrowthPercent}`);
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
    if (young === undefined || young.space_size < youngBytesMax) return;
    setFlagsFromString('--semi-space-growth-factor=1');
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
}
