/**
 * Tallystick beside a real BanyanDB whose nodes drifted apart. Skipped unless the variable BANYANDB_BIN names a BanyanDB
 * server program; then it takes some minutes, most of them until the cluster notices that a node is gone or back.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { BanyandbCluster, banyandbProgram } from '../support/banyandb-cluster.ts';
import { BanyandbVerbs, idsIn, idsOf, summaryOf } from '../support/banyandb-verbs.ts';
import { type JsonLine, temporaryFolder } from '../support/run-cli.ts';

const minute = 60_000;
const group = 'drift';

describe.skipIf(banyandbProgram === '')(
  'nodes that drifted apart; skipped where BANYANDB_BIN names no BanyanDB server program',
  () => {
    const cluster = new BanyandbCluster();
    const verbs = new BanyandbVerbs(cluster, group);
    const written = idsOf('id', 80);
    const missedDeletes = written.slice(10, 20);
    const rewritten = written.slice(20, 30);
    const added = idsOf('added', 10);
    const differing = [...missedDeletes, ...rewritten, ...added];
    const live = new Map([['first', 'x'], ...written.map((id): [string, string] => [id, 'first'])]);
    const removeBoth = async (ids: readonly string[]): Promise<void> => {
      for (const id of ids) live.delete(id);
      await cluster.gateway.removeAll(group, ids);
    };
    const writeBoth = async (ids: readonly string[], text: string): Promise<void> => {
      for (const id of ids) live.set(id, text);
      await cluster.gateway.writeAll(group, ids, text);
    };

    beforeAll(async () => {
      await cluster.start();
      await cluster.gateway.makeGroup(group, 2);
      await writeBoth(written, 'first');
      await verbs.settledRound();
      const [, , third = ''] = cluster.places;
      await cluster.stop(third);
      await removeBoth(missedDeletes);
      await writeBoth(rewritten, 'second');
      await writeBoth(added, 'new');
      await cluster.restart(third);
    }, 5 * minute);

    afterAll(async () => await cluster[Symbol.asyncDispose](), minute);

    test(
      'an audit names exactly what differs, and which deletes would come back',
      async () => {
        const audited = await verbs.auditOf(differing, ['--values']);
        expect(audited.code).toBe(1);
        const undeleted = (line: JsonLine): boolean => line.ownRepair?.undeletes === true;
        expect(idsIn(audited, undeleted)).toEqual([...missedDeletes].sort());
        expect(summaryOf(audited)).toMatchObject({ undeletes: missedDeletes.length });
      },
      2 * minute,
    );

    test(
      'so does a comparison of tree files that were copied off the nodes',
      async () => {
        const { codes, ids } = await verbs.diffOfFiles(temporaryFolder());
        expect(codes).toEqual([1, 1]);
        expect(ids).toEqual([...differing].sort());
      },
      minute,
    );

    test(
      'a dry run says what would change and changes nothing',
      async () => {
        const dry = await verbs.run('round', ['--dry-run']);
        expect(dry.code).toBe(1);
        expect(idsIn(dry)).toEqual([...differing].sort());
        expect(summaryOf(dry)).toMatchObject({ changed: 0, shipped: 0 });
        expect(idsIn(await verbs.run('audit'))).toEqual([...differing].sort());
      },
      minute,
    );

    test(
      'a round leaves equal versions everywhere while writes go on, and no delete is undone',
      async () => {
        const [rounded] = await Promise.all([
          verbs.run('round'),
          writeBoth(idsOf('during', 30), 'now'),
          removeBoth(written.slice(30, 35)),
          writeBoth(written.slice(40, 45), 'again'),
        ]);
        expect(summaryOf(rounded)).toMatchObject({ outcome: 'converged', failed: 0 });
        expect(summaryOf(await verbs.settledRound())).toMatchObject({ outcome: 'converged', shipped: 0 });
        for (const id of missedDeletes) expect(live.has(id)).toBe(false);
        // One of each entity, and the replaced one of each that was written twice.
        const documents = 1 + written.length + added.length + 30 + rewritten.length + 5;
        await verbs.expectAgreement(temporaryFolder(), { live, documents });
      },
      4 * minute,
    );

    test(
      'a second round pushes nothing, as the nodes count it',
      async () => {
        const pushed = (): Promise<number[]> =>
          Promise.all(
            cluster.places.map((place) =>
              cluster.metric(place, 'property_scheduler_property_repair_success_count', group),
            ),
          );
        const before = await pushed();
        expect(Math.max(...before)).toBeGreaterThanOrEqual(differing.length);
        const again = await verbs.run('round');
        expect(again.code).toBe(0);
        expect(summaryOf(again)).toMatchObject({ outcome: 'converged', differing: 0, shipped: 0 });
        expect(await pushed()).toEqual(before);
      },
      minute,
    );

    test(
      'a delete that lands between our fetch and our push stays deleted after the next round',
      async () => {
        const [, , third = ''] = cluster.places;
        const raced = written.slice(50, 60);
        await cluster.stop(third);
        await writeBoth(raced, 'raced');
        await cluster.restart(third);
        await verbs.auditOf(raced);
        // Pushes wait a second for each other at this rate, which begins with a tenth: then all of a batch are fetched, and most not pushed yet.
        let landed = false;
        const clock: Clock = {
          ...systemClock,
          sleep: async (delayMs, signal) => {
            if (delayMs <= 1_000 && !landed) {
              landed = true;
              await removeBoth(raced);
            }
            await systemClock.sleep(delayMs, signal);
          },
        };
        await verbs.run('round', ['--push-rate', '10'], { clock });
        expect(landed).toBe(true);
        const missed = await verbs.run('round', ['--dry-run']);
        const liveThere = (line: JsonLine): boolean =>
          line.place === third && line.before?.deleteTime === '0';
        expect(idsIn(missed, liveThere).length).toBeGreaterThan(0);
        await verbs.settledRound();
        await verbs.auditOf([]);
        const found = await cluster.gateway.query(group);
        for (const id of raced) expect(found.has(id)).toBe(false);
      },
      4 * minute,
    );

    test(
      'a stopped node is named while the rest agree, and caught up when it is back',
      async () => {
        const [, second = ''] = cluster.places;
        await cluster.stop(second);
        const meanwhile = idsOf('meanwhile', 10);
        await writeBoth(meanwhile, 'without it');
        const without = await verbs.run('round');
        expect(without.code).toBe(3);
        expect(summaryOf(without)).toMatchObject({ outcome: 'inconclusive' });
        const lost = without.last.summary.copies.filter((copy: JsonLine) => copy.outcome !== 'converged');
        expect(lost.map((copy: JsonLine) => copy.place)).toEqual([second]);
        await cluster.restart(second);
        await verbs.auditOf(meanwhile);
        const caughtUp = await verbs.run('round');
        expect(summaryOf(caughtUp)).toMatchObject({ outcome: 'converged', failed: 0 });
        await verbs.settledRound();
        await verbs.auditOf([]);
        expect(await cluster.gateway.query(group)).toEqual(live);
      },
      4 * minute,
    );

    test(
      'a round that would replace most of a node stops at the fuse, and goes on where the number is confirmed',
      async () => {
        const fused = new BanyandbVerbs(cluster, 'fused');
        const [, , third = ''] = cluster.places;
        const ids = idsOf('id', 120);
        const rewrittenThere = ids.slice(0, 80);
        const deletedThere = ids.slice(80, 90);
        const pushed = async (): Promise<number> =>
          await cluster.metric(third, 'property_scheduler_property_repair_success_count', 'fused');
        await cluster.gateway.makeGroup('fused', 1);
        await cluster.gateway.writeAll('fused', ids, 'first');
        await fused.untilTreesHold(121);
        await fused.settledRound();
        await cluster.stop(third);
        await cluster.gateway.writeAll('fused', rewrittenThere, 'second');
        await cluster.gateway.removeAll('fused', deletedThere);
        await cluster.restart(third);
        await fused.auditOf([...rewrittenThere, ...deletedThere]);
        const before = await pushed();
        const folder = temporaryFolder();
        const plan = ['--plan', join(folder, 'plan')];
        expect((await fused.run('round', ['--dry-run', ...plan])).code).toBe(1);
        for (const more of [[], ['--confirm', '89'], plan, [...plan, '--confirm', '89']]) {
          const stopped = await fused.run('round', more);
          expect(stopped.code).toBe(2);
          expect(stopped.last).toMatchObject({ error: { code: 'fuse', count: 90, places: [third] } });
        }
        expect(await pushed()).toBe(before);
        await fused.auditOf([...rewrittenThere, ...deletedThere]);
        // The two other nodes stamped their deletes unlike, so one of each of these is pushed as well.
        const confirmed = await fused.run('round', [...plan, '--confirm', '90']);
        expect(confirmed.code).toBe(0);
        expect(summaryOf(confirmed)).toMatchObject({ outcome: 'converged', changed: 100, failed: 0 });
        await fused.settledRound();
        const live = new Map([
          ['first', 'x'],
          ...rewrittenThere.map((id): [string, string] => [id, 'second']),
          ...ids.slice(90).map((id): [string, string] => [id, 'first']),
        ]);
        // One of each entity, and the replaced one of each that was written twice.
        const documents = 121 + rewrittenThere.length;
        await fused.expectAgreement(folder, { live, documents });
      },
      6 * minute,
    );
  },
);
