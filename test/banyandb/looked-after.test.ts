/**
 * A service of ours that looks after a real BanyanDB on its schedule. Skipped unless the variable BANYANDB_BIN names a
 * BanyanDB server program.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BanyandbCluster, banyandbProgram } from '../support/banyandb-cluster.ts';
import { BanyandbVerbs, idsOf } from '../support/banyandb-verbs.ts';
import { runCli, temporaryFolder } from '../support/run-cli.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

const minute = 60_000;
const group = 'watched';

describe.skipIf(banyandbProgram === '')(
  'a cluster that a service looks after; skipped where BANYANDB_BIN names no BanyanDB server program',
  () => {
    const cluster = new BanyandbCluster();
    const verbs = new BanyandbVerbs(cluster, group);
    const written = idsOf('id', 20);
    const missedDeletes = written.slice(0, 5);
    let services: Cluster;
    const watching = async (mode: 'audit' | 'repair'): Promise<Replica> => {
      const { nodesFile, liaison } = cluster;
      const file = `banyandb: [{ name: main, nodes: ${nodesFile}, mode: ${mode}, liaison: "${liaison}" }]`;
      const flags = { 'round.mode': 'repair', 'round.cron': '*/2 * * * * *', 'round.jitter': '1ms' };
      return await services.start(`${mode}s`, flags, file);
    };

    beforeAll(async () => {
      services = await Cluster.create();
      await cluster.start();
      await cluster.gateway.makeGroup(group, 2);
      await cluster.gateway.writeAll(group, written, 'x');
      await verbs.settledRound();
      const [, , third = ''] = cluster.places;
      await cluster.stop(third);
      await cluster.gateway.removeAll(group, missedDeletes);
      await cluster.restart(third);
      await verbs.auditOf(missedDeletes);
    }, 5 * minute);

    afterAll(async () => {
      await services[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
    }, minute);

    test(
      'is audited on the schedule, and nothing is changed',
      async () => {
        const replica = await watching('audit');
        const run = await replica.firstRun('/v1/events', ({ state }) => state === 'ended');
        expect(run).toMatchObject({
          group: 'banyandb/main',
          trigger: 'cron',
          outcome: 'differs',
          counts: { differing: missedDeletes.length, changed: 0 },
        });
        const status = await runCli(['status', '--admin', replica.admin]);
        expect(status.code).toBe(1);
        expect(status.stdout).toContain('banyandb/main');
        expect((await replica.get('/metrics')).body).toContain(
          'tallystick_shard_copies_equal{group="banyandb/main",shard="0"} 0',
        );
        await verbs.auditOf(missedDeletes);
      },
      minute,
    );

    test(
      'is mended on the schedule where that is allowed, and the deletes stay',
      async () => {
        const replica = await watching('repair');
        const run = await replica.firstRun('/v1/events', ({ counts }) => (counts?.changed ?? 0) > 0);
        await replica.firstRun(
          '/v1/events',
          ({ state, outcome }) => state === 'ended' && outcome === 'converged',
        );
        const told = await runCli(['runs', run.id, '--changes', '--admin', replica.admin]);
        for (const id of missedDeletes) expect(told.stdout).toContain(`${group}/p/${id}`);
        const status = await runCli(['status', '--admin', replica.admin]);
        expect(status.code).toBe(0);
        expect(status.stdout).toMatch(/^banyandb\/main\/0 .*all equal /m);
        expect((await replica.get('/metrics')).body).toContain(
          'tallystick_shard_copies_equal{group="banyandb/main",shard="0"} 1',
        );
        const live = new Map([['first', 'x'], ...written.slice(5).map((id): [string, string] => [id, 'x'])]);
        await verbs.expectAgreement(temporaryFolder(), { live, documents: 21 });
      },
      2 * minute,
    );
  },
);
