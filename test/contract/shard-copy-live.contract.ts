/** What every shard copy promises of fetch and apply; part of shard-copy.contract.ts. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sourceDigest } from '../../src/property/digest.ts';
import { entityKey } from '../../src/property/entity.ts';
import { compareVersions } from '../../src/property/version.ts';
import type { ShardCopy, StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { makeVersion, spellVersion } from '../support/versions.ts';
import { applyAll, fetchAll, many, results, settings, type ShardCopyFixture } from './shard-copy-fixture.ts';

export function describeLiveContract(
  name: string,
  makeFixture: () => ShardCopyFixture | Promise<ShardCopyFixture>,
): void {
  describe(`shard copy contract, fetch and apply: ${name}`, () => {
    let fixture: ShardCopyFixture;
    let copy: ShardCopy;
    beforeEach(async () => {
      fixture = await makeFixture();
      ({ copy } = fixture);
    });
    afterEach(async () => await fixture.dispose());

    const load = async (versions: readonly StoredVersion[]): Promise<void> => {
      await fixture.load(versions);
      await fixture.build();
    };

    test('fetch answers in the order asked, absent ones and tombstones included, as the index is now', async () => {
      const [a, b] = many(2);
      const dead = makeVersion({ id: 'dead', revision: 5n, deleteTime: 9n });
      await load([a!, dead]);
      await fixture.load([b!]);
      const absent = entityKey({ name: 'n', id: 'absent' });
      expect(await fetchAll(copy, [b!.key, absent, dead.key, a!.key])).toEqual([
        { key: b!.key, version: b },
        { key: absent, version: null },
        { key: dead.key, version: dead },
        { key: a!.key, version: a },
      ]);
      expect(await fetchAll(copy, [])).toEqual([]);
    });

    test('apply follows the total order in every sequence, is idempotent, and an older version never replaces', async () => {
      await load([]);
      const at = (revision: bigint, deleteTime: bigint, value: string) =>
        makeVersion({ id: 'x', revision, deleteTime, value });
      const ascending = [
        at(1n, 0n, 'a'),
        at(2n, 0n, 'a'),
        at(2n, 0n, 'b'),
        at(2n, 7n, 'a'),
        at(2n, 8n, 'a'),
        at(3n, 0n, 'a'),
      ].sort(compareVersions);
      for (const version of ascending) {
        expect(results(await applyAll(copy, [version, version]))).toEqual(['applied', 'kept']);
        expect(await fetchAll(copy, [version.key])).toEqual([{ key: version.key, version }]);
      }
      const top = ascending.at(-1);
      expect(results(await applyAll(copy, [...ascending].reverse()))).toEqual(ascending.map(() => 'kept'));
      expect(await fetchAll(copy, [top!.key])).toEqual([{ key: top!.key, version: top }]);
    });

    test('apply takes another spelling and spells it as its own', async () => {
      await load([]);
      const [version] = many(1);
      expect(results(await applyAll(copy, [spellVersion(version!, 'spaced'), version!]))).toEqual([
        'applied',
        'kept',
      ]);
      expect(await fetchAll(copy, [version!.key])).toEqual([{ key: version!.key, version }]);
    });

    test('apply refuses bad values one by one and applies the rest', async () => {
      await load([]);
      const [good, other] = many(2);
      const bad: StoredVersion[] = [
        { ...good!, digest: Buffer.alloc(64, 1) },
        { ...good!, deleteTime: 5n },
        { ...good!, key: other!.key },
        { ...good!, revision: 99n },
        makeVersion({ group: 'h', id: 'e0', revision: 10n }),
        { ...good!, source: '{', digest: sourceDigest('{', 0n) },
      ];
      const answers = await applyAll(copy, [...bad, good!]);
      expect(results(answers)).toEqual([...bad.map(() => 'refused'), 'applied']);
      for (const answer of answers) if (answer.result === 'refused') expect(answer.reason).not.toBe('');
      expect(await fetchAll(copy, [good!.key, other!.key])).toEqual([
        { key: good!.key, version: good },
        { key: other!.key, version: null },
      ]);
    });

    test('overlapping apply calls take effect in call order', async () => {
      await load([]);
      await using session = await copy.openApply({ settings, confirmed: null });
      const calls = Array.from({ length: 20 }, (_, at) =>
        session.apply([makeVersion({ id: 'x', revision: BigInt(at % 2 === 0 ? at + 1 : 1) })]),
      );
      expect((await Promise.all(calls)).map(([answer]) => answer?.result)).toEqual(
        Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? 'applied' : 'kept')),
      );
    });

    test('a session counts against the fuse, filling and tombstones aside, unless it was confirmed', async () => {
      await load([
        ...many(200),
        ...Array.from({ length: 50 }, (_, at) =>
          makeVersion({ id: `dead${at}`, revision: 5n, deleteTime: 6n }),
        ),
      ]);
      const harmless = [
        ...Array.from({ length: 120 }, (_, at) => makeVersion({ id: `fill${at}`, revision: 5n })),
        ...Array.from({ length: 50 }, (_, at) =>
          makeVersion({ id: `dead${at}`, revision: 5n, deleteTime: 7n }),
        ),
      ];
      const replacing = many(150, 11n);
      // A copy may refuse version by version, or end the session; either way no more than half is replaced.
      const { session: unconfirmed, outcome } = {
        session: await copy.openApply({ settings, confirmed: null }),
        outcome: { refused: '' },
      };
      expect(new Set(results(await unconfirmed.apply(harmless)))).toEqual(new Set(['applied']));
      try {
        const answers = await unconfirmed.apply(replacing);
        outcome.refused = answers.find((answer) => answer.result === 'refused')?.reason ?? '';
      } catch (error) {
        outcome.refused = (error as { code: string }).code;
      }
      await unconfirmed[Symbol.asyncDispose]();
      expect(outcome.refused).toMatch(/fuse/);
      const replaced = (
        await fetchAll(
          copy,
          replacing.map(({ key }) => key),
        )
      ).filter(({ version }) => version?.revision === 11n);
      expect(replaced.length).toBeLessThanOrEqual(160);
      await using confirmed = await copy.openApply({ settings, confirmed: 200 });
      expect(results(await confirmed.apply(many(200, 12n)))).toEqual(
        Array.from({ length: 200 }, () => 'applied'),
      );
    });
  });
}
