/**
 * An emptied node of a real BanyanDB is filled, by our round and by BanyanDB's own repair, each as fast as it goes. How
 * fast is read off the counter that the node keeps of versions it took, so both are measured by the same rule and without
 * the time until they begin.
 */
import { BanyandbCluster, noBanyandb } from '../support/banyandb-cluster.ts';
import { against, type BenchCase } from './bench-case.ts';
import { EmptiedNode } from './emptied-node.ts';

/** The node is the limit of both. Ours asks it after each version whether it took that, and uses several streams. */
const most = 1;

export function banyandbFillCase(count: number, valueBytes: number): BenchCase {
  return {
    name: `banyandb-fill-${count}`,
    description: `an emptied BanyanDB node is filled with ${count} properties of ${valueBytes} bytes, by our round and by its own repair`,
    skipped: noBanyandb,
    run: async (_directory, say) => {
      // Trees are built where it takes them only: while so much is written they would cost most of the time.
      await using cluster = new BanyandbCluster({ buildCron: '@every 24h', buildAfter: '24h' });
      await cluster.start();
      const emptied = new EmptiedNode(cluster, 'filled', say);
      await emptied.fill(count, valueBytes);
      await emptied.empty();
      await using rounds = emptied.fillByRounds(['--push-rate', '0']);
      const ours = await emptied.fillMs(count);
      await rounds.untilConverged();
      await emptied.empty(['--property-repair-trigger-cron=@every 2s']);
      const theirs = await emptied.fillMs(count);
      const name = `fill ${count} of ${valueBytes} bytes, ours beside BanyanDB's`;
      return [against(name, 'ms', ours, theirs, most)];
    },
  };
}
