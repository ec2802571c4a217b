import { describe, expect, test } from 'vitest';
import { copyOf, many, repairCopies } from '../../support/repairing.ts';
import { makeVersion } from '../../support/versions.ts';

describe('unlike copies', () => {
  test('spellings: equal content is counted, ships nothing, and what differs is spelled anew', async () => {
    const a = copyOf('A', many(50));
    const b = copyOf('B', many(48), { foreign: true, settings: { spelling: 'spaced' } });
    const { report } = await repairCopies([a, b]);
    expect(report).toMatchObject({
      outcome: 'repaired',
      differing: 2,
      changed: 2,
      shipped: 2,
      otherSpelling: 48,
    });
    b.build();
    expect((await repairCopies([a, b])).report).toMatchObject({
      outcome: 'matched',
      otherSpelling: 50,
      shipped: 0,
    });
    const c = copyOf('C', many(1), { foreign: true });
    expect((await repairCopies([b, c])).report).toMatchObject({
      outcome: 'failed',
      error: { code: 'spelling-differs' },
    });
  });

  test('a tie between unlike spellings is decided by the compact digests', async () => {
    for (let at = 0; at < 20; at++) {
      const a = copyOf('A', [makeVersion({ id: `t${at}`, revision: 1n, value: 'x' })]);
      const b = copyOf('B', [makeVersion({ id: `t${at}`, revision: 1n, value: 'y' })], {
        foreign: true,
        settings: { spelling: 'spaced' },
      });
      const { changes } = await repairCopies([a, b]);
      const [compactX, compactY] = ['x', 'y'].map(
        (value) => makeVersion({ id: `t${at}`, revision: 1n, value }).digest,
      );
      expect(changes.map(({ place }) => place)).toEqual([
        Buffer.compare(compactX!, compactY!) < 0 ? 'A' : 'B',
      ]);
    }
  });

  test('leaves that do not tell versions are fetched first', async () => {
    const a = copyOf('A', [...many(5), makeVersion({ id: 'del', revision: 3n })], { foreign: true });
    const b = copyOf('B', [
      ...many(3),
      makeVersion({ id: 'e4', revision: 99n }),
      makeVersion({ id: 'del', revision: 3n, deleteTime: 4n }),
    ]);
    const { report, changes } = await repairCopies([a, b]);
    expect(report).toMatchObject({ outcome: 'repaired', differing: 3, changed: 3 });
    expect(changes.map(({ entity, place, reason }) => `${entity} ${place} ${reason}`).sort()).toEqual([
      'g/n/del A missed delete',
      'g/n/e3 B absent',
      'g/n/e4 A older revision',
    ]);
  });
});
