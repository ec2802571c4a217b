/** A tree built by a real BanyanDB node, as it times it, beside ours of as many properties of the same size. */
import { join } from 'node:path';
import { BanyandbCluster, noBanyandb } from '../support/banyandb-cluster.ts';
import { until } from '../support/banyandb-gateway.ts';
import { against, type BenchCase, type Figure, median } from './bench-case.ts';
import { timeBuild } from './build-case.ts';
import { fillShard } from './made-shard.ts';

const group = 'built';
const valueBytes = 300;

/** Trees of ascending `counts` of properties. */
export function banyandbBuildCase(counts: readonly number[]): BenchCase {
  return {
    name: `banyandb-build-${counts.at(-1)}`,
    description: `tree builds of ${counts.join(' and ')} properties, BanyanDB's and ours`,
    skipped: noBanyandb,
    run: async (directory, say) => {
      await using cluster = new BanyandbCluster({ buildCron: '@every 24h', buildAfter: '24h' });
      await cluster.start();
      // One copy: the writes take long enough.
      await cluster.gateway.makeGroup(group, 1, 1);
      const figures: Figure[] = [];
      let written = 0;
      for (const count of counts) {
        say(`writes until there are ${count}`);
        const ids = Array.from({ length: count - written }, (_, at) => `id-${written + at}`);
        await cluster.gateway.writeAll(group, ids, 'tally '.repeat(valueBytes / 6));
        written = count;
        say(`BanyanDB builds its tree of ${count}`);
        const theirs = await theirBuildMs(cluster);
        const ours = await ourBuildMs(join(directory, String(count)), count);
        figures.push(against(`build ${count}, ours beside BanyanDB's`, 'ms', ours, theirs, 1));
      }
      return figures;
    },
  };
}

/** The node that has the copy builds once after a restart, since its index changed since its last tree. */
async function theirBuildMs(cluster: BanyandbCluster): Promise<number> {
  const [holder = ''] = cluster.holders(group);
  await cluster.stop(holder);
  await cluster.restart(holder, { flags: ['--property-repair-build-tree-cron=@every 2s'] });
  const metric = (name: string): Promise<number> =>
    cluster.metric(holder, `property_property_repair_build_tree_${name}`, group);
  const seconds = await until(
    'a tree',
    async () => ((await metric('finished')) > 0 ? await metric('duration') : null),
    treePatienceMs,
  );
  return (seconds / (await metric('finished'))) * 1_000;
}

/** A tree of 100,000 takes it 150 s on a quiet machine. */
const treePatienceMs = 900_000;

/** Of three builds in a row: a service has built before. */
async function ourBuildMs(root: string, count: number): Promise<number> {
  const identity = await fillShard({ root, to: count, valueBytes });
  const builds: number[] = [];
  for (let run = 0; run < 3; run++) builds.push(await timeBuild(identity, 32));
  return median(builds);
}
