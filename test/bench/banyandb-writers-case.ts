/**
 * What a writer of a real BanyanDB waits for an answer: undisturbed, while our round fills an emptied node at its
 * default rate, and while BanyanDB's own repair does. All in one run, the undisturbed ones before and after our round,
 * on a node that has everything and on one that was just emptied.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BanyandbCluster, noBanyandb } from '../support/banyandb-cluster.ts';
import { against, type BenchCase, type Figure } from './bench-case.ts';
import { EmptiedNode } from './emptied-node.ts';

const group = 'written';

/** Writes of each kind, and before them some that do not count. */
const writesPerKind = 200;
const firstWrites = 20;

/** From the beginning of one write to that of the next: some load, far from all that a cluster on two cores can take. */
const everyMs = 100;

/** By percentile: how many times an undisturbed write one beside our round may take. */
const most = { 50: 1.5, 95: 2, 99: 2 };

export function banyandbWritersCase(count: number, valueBytes: number): BenchCase {
  return {
    name: `banyandb-writers-${count}`,
    description: `writes into a BanyanDB of which a node is filled with ${count} properties, by our round and by its own repair`,
    skipped: noBanyandb,
    run: async (_directory, say) => {
      // Trees are built where it takes them only: what builds on a schedule cost is nothing of either repair.
      await using cluster = new BanyandbCluster({ buildCron: '@every 24h', buildAfter: '24h' });
      await cluster.start();
      const emptied = new EmptiedNode(cluster, group, say);
      await emptied.fill(count, valueBytes);
      say('writes undisturbed');
      const before = await writeLatencies(cluster, 'before');
      await emptied.empty();
      const filling = emptied.fillByRounds();
      await emptied.untilTaking();
      say('writes beside our round');
      const besideOurs = await writeLatencies(cluster, 'ours');
      const oursTaken = await emptied.taken();
      await filling[Symbol.asyncDispose]();
      await emptied.empty();
      say('writes undisturbed again');
      const alone = [...before, ...(await writeLatencies(cluster, 'after'))];
      await emptied.empty(['--property-repair-trigger-cron=@every 2s']);
      await emptied.untilTaking();
      say("writes beside BanyanDB's own repair");
      const besideTheirs = await writeLatencies(cluster, 'theirs');
      const theirsTaken = await emptied.taken();
      const figures = Object.entries(most).flatMap(([percent, times]): Figure[] => {
        const share = Number(percent) / 100;
        const [undisturbed, theirs, ours] = [alone, besideTheirs, besideOurs].map((latencies) =>
          quantile(latencies, share),
        ) as [number, number, number];
        const name = `writes beside our round, p${percent}`;
        return [
          against(`${name}, to undisturbed`, 'ms', ours, undisturbed, times),
          against(`${name}, to BanyanDB's own repair`, 'ms', ours, theirs, 1),
        ];
      });
      const taken = against(
        'versions taken meanwhile, by our round and by its own',
        '',
        oursTaken,
        theirsTaken,
        null,
      );
      return [...figures, taken];
    },
  };
}

async function writeLatencies(cluster: BanyandbCluster, name: string): Promise<number[]> {
  const latencies: number[] = [];
  for (let at = -firstWrites; at < writesPerKind; at++) {
    const beganMs = performance.now();
    await cluster.gateway.write(group, `${name}-${at}`, 'x');
    const tookMs = performance.now() - beganMs;
    if (at >= 0) latencies.push(tookMs);
    await sleep(Math.max(0, everyMs - tookMs));
  }
  return latencies;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
