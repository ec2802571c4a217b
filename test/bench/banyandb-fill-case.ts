/**
 * An emptied node of a real BanyanDB is filled, by BanyanDB's own repair and by our round, each as fast as it goes; and
 * what the node's writers feel of our round at its default rate. How fast is read off the counter that the node keeps of
 * versions it took, so both are measured by the same rule and without the time until they begin.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BanyandbCluster, noBanyandb } from '../support/banyandb-cluster.ts';
import { until } from '../support/banyandb-gateway.ts';
import { runCli } from '../support/run-cli.ts';
import { against, type BenchCase, type Figure } from './bench-case.ts';

const group = 'filled';

/** Between two looks at the counter. */
const lookMs = 100;

/** Writes whose latency is measured, each beside a round and alone. */
const measuredWrites = 300;

export function banyandbFillCase(count: number, valueBytes: number): BenchCase {
  return {
    name: `banyandb-fill-${count}`,
    description: `an emptied BanyanDB node is filled with ${count} properties of ${valueBytes} bytes, by its own repair and by our round`,
    skipped: noBanyandb,
    run: async () => {
      // Trees are built seldom: while so much is written they would cost most of the time.
      await using cluster = new BanyandbCluster({ buildCron: '@every 20s', buildAfter: '24h' });
      await cluster.start();
      await cluster.gateway.makeGroup(group, 1);
      const ids = Array.from({ length: count }, (_, at) => `id-${at}`);
      await cluster.gateway.writeAll(group, ids, 'b'.repeat(valueBytes));
      const [, , emptied = ''] = cluster.places;
      await empty(cluster, emptied, ['--property-repair-trigger-cron=@every 2s']);
      const theirs = await fillMs(cluster, emptied, count);
      await empty(cluster, emptied);
      const filled = fillMs(cluster, emptied, count);
      await rounds(cluster, '0');
      const ours = await filled;
      return [
        against(`fill ${count} of ${valueBytes} bytes, ours beside BanyanDB's`, 'ms', ours, theirs, 1),
        ...(await writersFigures(cluster, emptied)),
      ];
    },
  };
}

/** Stops a node, throws away what it has of the group, and starts it again. */
async function empty(cluster: BanyandbCluster, place: string, flags: readonly string[] = []): Promise<void> {
  await cluster.stop(place);
  cluster.empty(place, group);
  await cluster.restart(place, { flags });
}

/** From the first version that a node takes until it has taken `count`. */
async function fillMs(cluster: BanyandbCluster, place: string, count: number): Promise<number> {
  const taken = (): Promise<number> =>
    cluster.metric(place, 'property_scheduler_property_repair_success_count', group);
  let began: { readonly atMs: number; readonly taken: number } | null = null;
  // Ends: until the bench is given up, by whoever started it.
  for (;;) {
    const now = await taken();
    if (began === null && now > 0) began = { atMs: performance.now(), taken: now };
    if (began !== null && now >= count) {
      return ((performance.now() - began.atMs) * count) / (count - began.taken);
    }
    await sleep(lookMs);
  }
}

/** Rounds until one converges; the node has no tree before its own first build. */
async function rounds(cluster: BanyandbCluster, pushRate: string, signal?: AbortSignal): Promise<void> {
  await until('a round', async () => {
    const argv = ['round', ...cluster.places, '--liaison', cluster.liaison, '--push-rate', pushRate];
    const { code } = await runCli(argv, signal && { signal });
    return code === 0 || signal?.aborted ? true : null;
  });
}

/** What a writer waits for an answer, alone and while our round fills a node at its default rate. */
async function writersFigures(cluster: BanyandbCluster, emptied: string): Promise<Figure[]> {
  const alone = await writeLatencies(cluster, 'alone');
  await empty(cluster, emptied);
  const ending = new AbortController();
  const round = rounds(cluster, '200', ending.signal);
  await until('the first pushes', async () =>
    (await cluster.metric(emptied, 'property_scheduler_property_repair_success_count', group)) > 0
      ? true
      : null,
  );
  const beside = await writeLatencies(cluster, 'beside');
  ending.abort();
  await round;
  return [0.5, 0.99].map((share) =>
    against(
      `writes beside our round, p${share * 100}`,
      'ms',
      quantile(beside, share),
      quantile(alone, share),
      null,
    ),
  );
}

async function writeLatencies(cluster: BanyandbCluster, name: string): Promise<number[]> {
  const latencies: number[] = [];
  for (let at = 0; at < measuredWrites; at++) {
    const beganMs = performance.now();
    await cluster.gateway.write(group, `${name}-${at}`, 'x');
    latencies.push(performance.now() - beganMs);
  }
  return latencies.sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
