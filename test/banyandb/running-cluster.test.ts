/**
 * Tallystick beside a real BanyanDB. Skipped unless the variable BANYANDB_BIN names a BanyanDB server program; then it
 * takes some minutes, most of them waiting until the cluster notices that a node is gone or back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BanyandbCluster, banyandbProgram } from '../support/banyandb-cluster.ts';
import { type JsonLine, runCli, temporaryFolder } from '../support/run-cli.ts';

const minute = 60_000;
const group = 'live';
const ids = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${name}-${at}`);

describe.skipIf(banyandbProgram === '')(
  'beside a running BanyanDB; skipped where BANYANDB_BIN names no server program',
  () => {
    const cluster = new BanyandbCluster();
    const written = ids('id', 60);
    const missedDeletes = written.slice(10, 20);
    const rewritten = written.slice(20, 30);
    const added = ids('added', 10);
    const run = (verb: string, ...more: string[]): ReturnType<typeof runCli> =>
      runCli([verb, ...cluster.places, '--liaison', cluster.liaison, '--group', group, '--json', ...more]);
    const entities = (lines: readonly JsonLine[]): string[] =>
      lines.flatMap((line) =>
        typeof line['entity'] === 'string' ? [line['entity'].split('/').at(-1) ?? ''] : [],
      );
    /** Until the nodes' trees are of what they have; they are built every some seconds. */
    const settledRound = async (): ReturnType<typeof runCli> => {
      for (let left = 60; ; left--) {
        const done = await run('round');
        const summary = done.lines.at(-1)?.['summary'] as JsonLine | undefined;
        if ((done.code === 0 && summary?.['stale'] === false) || left === 0) return done;
        await sleep(1_000);
      }
    };

    beforeAll(async () => {
      await cluster.start();
      await cluster.makeGroup(group, 2);
      await Promise.all(written.map((id) => cluster.write(group, id, 'first')));
      await settledRound();
      const [, , third = ''] = cluster.places;
      await cluster.stop(third);
      await Promise.all(missedDeletes.map((id) => cluster.remove(group, id)));
      await Promise.all(rewritten.map((id) => cluster.write(group, id, 'second')));
      await Promise.all(added.map((id) => cluster.write(group, id, 'new')));
      await cluster.restart(third);
    }, 10 * minute);

    afterAll(async () => await cluster[Symbol.asyncDispose](), minute);

    test(
      'an audit names exactly what differs, and which deletes would come back',
      async () => {
        const { code, lines } = await run('audit', '--values');
        expect(code).toBe(1);
        expect(new Set(entities(lines))).toEqual(new Set([...missedDeletes, ...rewritten, ...added]));
        const undone = lines.filter(
          (line) => (line['ownRepair'] as JsonLine | null | undefined)?.['undeletes'] === true,
        );
        expect(new Set(entities(undone))).toEqual(new Set(missedDeletes));
      },
      minute,
    );

    test(
      'a dry run changes nothing',
      async () => {
        const dry = await run('round', '--dry-run');
        expect(dry.code).toBe(1);
        expect(new Set(entities(dry.lines))).toEqual(new Set([...missedDeletes, ...rewritten, ...added]));
        expect(dry.lines.at(-1)).toMatchObject({ summary: { changed: 0, shipped: 0 } });
        expect(new Set(entities((await run('audit')).lines))).toEqual(new Set(entities(dry.lines)));
      },
      minute,
    );

    test(
      'a round makes all nodes equal, and no delete comes back, while writes go on',
      async () => {
        const during = ids('during', 20);
        const [done] = await Promise.all([
          run('round'),
          ...during.map((id) => cluster.write(group, id, 'now')),
        ]);
        expect(done.lines.at(-1)).toMatchObject({ summary: { outcome: 'converged', failed: 0 } });
        const settled = await settledRound();
        expect(settled.lines.at(-1)).toMatchObject({
          summary: { outcome: 'converged', stale: false, differing: 0 },
        });
        const audited = await run('audit');
        expect(audited.lines.at(-1)).toMatchObject({ summary: { outcome: 'matched' } });
        const live = [...written.filter((id) => !missedDeletes.includes(id)), ...added, ...during, 'first'];
        expect((await cluster.query(group)).sort()).toEqual(live.sort());
      },
      3 * minute,
    );

    test(
      'a second round pushes nothing',
      async () => {
        const { code, lines } = await run('round');
        expect(code).toBe(0);
        expect(lines.at(-1)).toMatchObject({ summary: { outcome: 'converged', differing: 0, shipped: 0 } });
      },
      minute,
    );

    test(
      'a copy of our own has the roots of the nodes',
      async () => {
        const root = temporaryFolder();
        const repaired = await run('repair', root);
        expect(repaired.code).toBe(0);
        const audited = await run('audit', root);
        expect(audited.lines.at(-1)).toMatchObject({ summary: { outcome: 'matched' } });
      },
      minute,
    );

    test(
      'a node that was killed is named while it is gone; emptied, it is filled',
      async () => {
        const [, second = ''] = cluster.places;
        await cluster.stop(second, 'SIGKILL');
        const without = await run('round');
        expect(without.code).toBe(3);
        expect(JSON.stringify(without.lines)).toContain(second);
        cluster.empty(second, group);
        await cluster.restart(second);
        const filled = await settledRound();
        expect(filled.lines.at(-1)).toMatchObject({ summary: { outcome: 'converged', failed: 0 } });
        const audited = await run('audit');
        expect(audited.lines.at(-1)).toMatchObject({ summary: { outcome: 'matched' } });
        const query = await cluster.query(group);
        for (const id of missedDeletes) expect(query).not.toContain(id);
      },
      5 * minute,
    );

    test(
      'where a node spells otherwise, what it writes from then on is equal and nothing is sent for it',
      async () => {
        const [first = ''] = cluster.places;
        await cluster.stop(first);
        await cluster.restart(first, cluster.otherProgram());
        const spelled = ids('spelled', 30);
        await Promise.all(spelled.map((id) => cluster.write(group, id, 'as it spells')));
        // Whether a byte more makes it spell otherwise is the program's to say; either way nothing differs.
        const settled = await settledRound();
        expect(settled.lines.at(-1)).toMatchObject({ summary: { outcome: 'converged', failed: 0 } });
        const again = await run('round');
        const summary = again.lines.at(-1)?.['summary'] as JsonLine;
        expect(summary).toMatchObject({ outcome: 'converged', differing: 0, shipped: 0 });
        expect([0, spelled.length]).toContain(summary['otherSpelling']);
      },
      5 * minute,
    );
  },
);
