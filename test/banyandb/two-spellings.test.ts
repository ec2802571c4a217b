/**
 * Tallystick beside a real BanyanDB of which one node's program spells JSON otherwise. Skipped unless the variables
 * BANYANDB_BIN and BANYANDB_BIN_OTHER_SPELLING name two server programs that spell unlike.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BanyandbCluster, banyandbProgram, otherSpellingProgram } from '../support/banyandb-cluster.ts';
import { BanyandbVerbs, idsIn, idsOf, summaryOf } from '../support/banyandb-verbs.ts';
import { temporaryFolder } from '../support/run-cli.ts';

const minute = 60_000;
const group = 'spelled';

describe.skipIf(banyandbProgram === '' || otherSpellingProgram === '')(
  'a node that spells otherwise; skipped where BANYANDB_BIN_OTHER_SPELLING names no server program beside BANYANDB_BIN',
  () => {
    const cluster = new BanyandbCluster();
    const verbs = new BanyandbVerbs(cluster, group);
    const ids = idsOf('id', 40);
    const missed = ids.slice(0, 5);

    beforeAll(async () => {
      await cluster.start();
      const [, , third = ''] = cluster.places;
      await cluster.stop(third);
      await cluster.restart(third, { program: otherSpellingProgram });
      await cluster.gateway.makeGroup(group, 1);
      await cluster.gateway.writeAll(group, ids, 'a, b');
      await verbs.settledRound();
    }, 4 * minute);

    afterAll(async () => await cluster[Symbol.asyncDispose](), minute);

    test(
      'is equal in content: all is counted, and nothing is sent for it',
      async () => {
        const { codes, ids: unlike } = await verbs.diffOfFiles(temporaryFolder());
        expect(codes).toEqual([1]);
        expect(unlike.length).toBe(41);
        const rounded = await verbs.run('round');
        expect(rounded.code).toBe(0);
        expect(summaryOf(rounded)).toMatchObject({ outcome: 'converged', shipped: 0, otherSpelling: 41 });
        expect(summaryOf(await verbs.run('audit', ['--values']))).toMatchObject({ otherSpelling: 41 });
      },
      2 * minute,
    );

    test(
      'is mended where content differs, and there only',
      async () => {
        const [, , third = ''] = cluster.places;
        await cluster.stop(third);
        await cluster.gateway.removeAll(group, missed);
        await cluster.restart(third, { program: otherSpellingProgram });
        const dry = await verbs.run('round', ['--dry-run']);
        expect(idsIn(dry, ({ place }) => place === third)).toEqual([...missed].sort());
        expect(summaryOf(await verbs.run('round'))).toMatchObject({ outcome: 'converged', failed: 0 });
        expect(summaryOf(await verbs.settledRound())).toMatchObject({ shipped: 0, otherSpelling: 41 });
        const live = [...(await cluster.gateway.query(group)).keys()].sort();
        expect(live).toEqual(['first', ...ids.slice(5)].sort());
        const counts = await Promise.all(cluster.places.map((place) => cluster.documents(place, group)));
        expect(counts).toEqual([41, 41, 41]);
      },
      3 * minute,
    );
  },
);
