/**
 * Tallystick beside a real BanyanDB of which a node lost its disk. Skipped unless the variable BANYANDB_BIN names a
 * BanyanDB server program; then it takes some minutes, most of them filling the node twice.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BanyandbCluster, banyandbProgram } from '../support/banyandb-cluster.ts';
import { until } from '../support/banyandb-gateway.ts';
import { BanyandbVerbs, idsOf, summaryOf } from '../support/banyandb-verbs.ts';
import { type JsonLine, runCli, temporaryFolder } from '../support/run-cli.ts';

const minute = 60_000;

describe.skipIf(banyandbProgram === '')(
  'a node that lost its disk; skipped where BANYANDB_BIN names no BanyanDB server program',
  () => {
    // Trees are built seldom: while so much is written they would cost most of the time.
    const cluster = new BanyandbCluster({ buildCron: '@every 20s', buildAfter: '24h' });
    /** Stops the third node, throws away what it has of the group and starts it again. */
    const emptyThird = async (group: string): Promise<void> => {
      const [, , third = ''] = cluster.places;
      await cluster.stop(third, 'SIGKILL');
      cluster.empty(third, group);
      await cluster.restart(third);
    };

    /** How many versions a node took from us, as it counts them. */
    const pushed = async (place: string, group: string): Promise<number> =>
      await cluster.metric(place, 'property_scheduler_property_repair_success_count', group);

    beforeAll(async () => await cluster.start(), 2 * minute);

    afterAll(async () => await cluster[Symbol.asyncDispose](), minute);

    test(
      'is filled with 10,000 properties of 2 kB, also where it is killed in the middle of the round',
      async () => {
        const group = 'filled';
        const verbs = new BanyandbVerbs(cluster, group);
        const ids = idsOf('id', 10_000);
        const [, , third = ''] = cluster.places;
        const text = 'b'.repeat(2_000);
        await cluster.gateway.makeGroup(group, 2);
        await cluster.stop(third, 'SIGKILL');
        cluster.empty(third, group);
        await cluster.gateway.writeAll(group, ids, text);
        await verbs.untilTreesHold(1 + ids.length, cluster.places.slice(0, 2));
        await cluster.restart(third);
        const cut = until('a round that is cut', async () => {
          const { code, last } = await verbs.run('round');
          return last.summary?.shipped > 0 ? { code, summary: last.summary } : null;
        });
        await until(
          'some of them',
          async () => ((await pushed(third, group)) > 500 ? true : null),
          5 * minute,
        );
        await cluster.end(third, 'SIGKILL');
        const { code, summary } = await cut;
        expect(code).toBe(3);
        expect(summary).toMatchObject({ outcome: 'inconclusive' });
        const lost = summary.copies.filter((copy: JsonLine) => copy.outcome !== 'converged');
        expect(lost.map((copy: JsonLine) => copy.place)).toEqual([third]);
        await cluster.restart(third);
        const continued = await until('a whole round', async () => {
          const done = await verbs.run('round');
          return done.code === 0 ? done : null;
        });
        // What it had taken before it was killed was not pushed again.
        expect(summaryOf(continued).changed).toBeLessThan(ids.length);
        expect(summaryOf(await verbs.settledRound())).toMatchObject({ outcome: 'converged', failed: 0 });
        const live = new Map([['first', 'x'], ...ids.map((id): [string, string] => [id, text])]);
        await verbs.expectAgreement(temporaryFolder(), { live, documents: live.size });
      },
      // So long only where the machine is busy with other things.
      40 * minute,
    );

    test(
      'is given back what a copy of our own kept, deletes too',
      async () => {
        const group = 'copied';
        const verbs = new BanyandbVerbs(cluster, group);
        const [first = '', second = '', third = ''] = cluster.places;
        const ids = idsOf('id', 40);
        await cluster.gateway.makeGroup(group, 2);
        await cluster.gateway.writeAll(group, ids, 'kept well');
        await cluster.gateway.removeAll(group, ids.slice(0, 10));
        await verbs.untilTreesHold(41);
        await verbs.settledRound();
        const root = temporaryFolder();
        const named = ['--group', group, '--shards', '2', '--json'];
        const copied = await runCli(['repair', first, second, root, ...named]);
        expect(copied.code).toBe(0);
        const found = await runCli(['search', '--root', root, 'kept', '--limit', '100', '--json']);
        expect(summaryOf(found)).toMatchObject({ found: 30 });
        expect(summaryOf(await verbs.run('audit', [root]))).toMatchObject({ outcome: 'matched' });
        await emptyThird(group);
        const back = await until('a node with a tree', async () => {
          const repaired = await runCli(['repair', root, third, ...named]);
          return summaryOf(repaired).changed > 0 ? repaired : null;
        });
        expect(back.code).toBe(0);
        expect(summaryOf(back)).toMatchObject({ outcome: 'repaired', changed: 41, failed: 0 });
        const live = new Map([
          ['first', 'x'],
          ...ids.slice(10).map((id): [string, string] => [id, 'kept well']),
        ]);
        await verbs.expectAgreement(temporaryFolder(), { live, documents: 41 });
      },
      4 * minute,
    );
  },
);
