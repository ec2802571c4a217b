import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CodedError } from '../../../src/lib/coded-error.ts';
import type { RepairProgress } from '../../../src/repair/report.ts';
import { MemoryShardCopy } from '../../support/memory-shard-copy.ts';
import { copyOf, digests, many, repairCopies } from '../../support/repairing.ts';
import { makeVersion } from '../../support/versions.ts';
import { WrappedShardCopy } from '../../support/wrapped-shard-copy.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'repair-'));
});
afterAll(async () => await rm(directory, { recursive: true }));

describe('outcomes', () => {
  test('more copies than a plan can name are refused before any is read', async () => {
    const copies = Array.from({ length: 257 }, (_, at) => copyOf(`place-${at}`, []));
    const { report } = await repairCopies(copies);
    expect(report).toMatchObject({
      outcome: 'failed',
      error: { code: 'too-large', details: { ceiling: 256 } },
    });
    expect(report.reason).toContain('at most 256 copies, not 257');
  });

  test('each change is told with its reason, and all copies end alike', async () => {
    const at = (id: string, revision: bigint, deleteTime = 0n, value = 'v') =>
      makeVersion({ id, revision, deleteTime, value });
    const ties = [at('tie', 5n, 0n, 'x'), at('tie', 5n, 0n, 'y')].sort((a, b) =>
      Buffer.compare(a.digest, b.digest),
    );
    const a = copyOf('A', [
      at('same', 1n),
      at('absent', 2n),
      at('older', 3n),
      at('missed', 4n, 9n),
      at('newer', 4n, 9n),
      ties[1]!,
    ]);
    const b = copyOf('B', [at('same', 1n), at('older', 2n), at('missed', 4n), at('newer', 4n, 8n), ties[0]!]);
    const { report, changes } = await repairCopies([b, a]);
    expect(report).toMatchObject({
      outcome: 'repaired',
      differing: 5,
      changed: 5,
      kept: 0,
      failed: 0,
      shipped: 5,
      stale: false,
    });
    expect(report.bytes).toBe(
      a.versions
        .filter(({ key }) => !key.toString().endsWith('same'))
        .reduce((sum, { source }) => sum + source.length, 0),
    );
    expect(
      Object.fromEntries(
        changes.map(({ entity, reason, place, result }) => [entity, `${place} ${result}: ${reason}`]),
      ),
    ).toEqual({
      'g/n/absent': 'B changed: absent',
      'g/n/older': 'B changed: older revision',
      'g/n/missed': 'B changed: missed delete',
      'g/n/newer': 'B changed: newer delete',
      'g/n/tie': 'B changed: other content at the same revision',
    });
    expect(digests(b)).toEqual(digests(a));
    for (const copy of [a, b]) copy.build();
    expect((await repairCopies([a, b])).report).toMatchObject({ outcome: 'matched', shipped: 0 });
  });

  test('five copies: each value is fetched once and sent once to each that lacks it', async () => {
    const copies = Array.from({ length: 5 }, (_, at) => copyOf(`copy${at}`, many(300, at * 300)));
    const { report } = await repairCopies(copies);
    expect(report).toMatchObject({ outcome: 'repaired', differing: 1500, changed: 6000, shipped: 6000 });
    expect(copies.map(({ calls }) => calls.fetched)).toEqual([300, 300, 300, 300, 300]);
    expect(copies.map(({ calls }) => calls.received)).toEqual([1200, 1200, 1200, 1200, 1200]);
    expect(new Set(copies.map((copy) => digests(copy).join())).size).toBe(1);
  });

  test('a dry run changes nothing, tells everything and leaves no file behind', async () => {
    const [a, b] = [copyOf('A', many(3)), copyOf('B', many(2))];
    const { report, changes } = await repairCopies([a, b], { dryRun: true, spoolDirectory: directory });
    expect(report).toMatchObject({ outcome: 'differs', differing: 1, changed: 0, shipped: 0 });
    expect(changes).toMatchObject([{ result: 'planned', place: 'B', before: null, reason: 'absent' }]);
    expect(b.versions).toHaveLength(2);
    expect(await readdir(directory)).toEqual([]);
  });

  test('no tree and a spent budget are inconclusive, one copy is skipped, a failing place fails and is named', async () => {
    const a = copyOf('A', many(200));
    expect((await repairCopies([a, new MemoryShardCopy({ place: 'B' })])).report).toMatchObject({
      outcome: 'inconclusive',
      reason: 'B has no tree yet',
    });
    expect((await repairCopies([a, copyOf('B', [])], { budget: { leaves: 30 } })).report).toMatchObject({
      outcome: 'inconclusive',
      reason: 'the budget of 30 leaves ran out',
    });
    expect((await repairCopies([a])).report.outcome).toBe('skipped');
    const broken = new WrappedShardCopy(a, {
      beforeOpenView: () => {
        throw new CodedError('unreachable', 'connection refused');
      },
    });
    expect((await repairCopies([copyOf('C', []), broken])).report).toMatchObject({
      outcome: 'failed',
      reason: 'A: connection refused',
    });
  });
});

describe('the fuse', () => {
  test('stops before anything is changed anywhere, and passes with the number', async () => {
    const [a, b] = [
      copyOf('A', [...many(200), makeVersion({ id: 'more', revision: 1n })]),
      copyOf('B', many(150, 0, 11n)),
    ];
    await expect(repairCopies([a, b])).rejects.toMatchObject({
      code: 'fuse',
      details: { count: 150, places: ['A'] },
    });
    expect([a.calls.sessions, b.calls.sessions]).toEqual([0, 0]);
    expect((await repairCopies([a, b], { confirmed: 150 })).report).toMatchObject({
      outcome: 'repaired',
      changed: 201,
    });
  });
});

describe('copies that fail', () => {
  const fail = (): never => {
    throw new CodedError('unreachable', 'connection lost');
  };

  test('the next holder gives what a failing one does not', async () => {
    const [a, b, c] = [copyOf('A', many(500)), copyOf('B', many(500)), copyOf('C', [])];
    const cut = new WrappedShardCopy(a, {
      beforeFetched: (answer) => {
        if (answer === 250) fail();
      },
    });
    const { report } = await repairCopies([cut, b, c]);
    expect(report).toMatchObject({ outcome: 'repaired', changed: 500, shipped: 500 });
    expect(report.shards[0]?.copies[0]?.error?.message).toBe('A: connection lost');
    expect(c.calls.received).toBe(500);
  });

  test('what no holder has any more is failed with the reason, the rest is carried out', async () => {
    const [a, b] = [copyOf('A', many(3)), copyOf('B', [])];
    a.forget(many(1)[0]!.key);
    const { report, changes } = await repairCopies([a, b]);
    expect(report).toMatchObject({ outcome: 'failed', changed: 2, failed: 1, reason: '1 changes failed' });
    expect(changes.find(({ result }) => result === 'failed')?.reason).toBe(
      'could not be fetched: A no longer has it',
    );
  });

  test('a copy that fails as it applies does not stop the others, and running again continues', async () => {
    const [a, b, c] = [copyOf('A', many(900)), copyOf('B', []), copyOf('C', [])];
    const cut = new WrappedShardCopy(b, {
      afterApply: (batch) => {
        if (batch === 1) fail();
      },
    });
    const { report } = await repairCopies([a, cut, c]);
    expect(report).toMatchObject({
      outcome: 'failed',
      changed: 900 + 200,
      failed: 700,
      reason: '700 changes failed; B: connection lost',
    });
    expect(cut.batches.map(({ length }) => length)).toEqual([200, 200]);
    for (const copy of [b, c]) copy.build();
    expect((await repairCopies([a, b, c])).report).toMatchObject({ outcome: 'repaired', changed: 500 });
  });

  test('damaged values are refused one by one', async () => {
    const [a, b] = [copyOf('A', many(3)), copyOf('B', [])];
    const damaging = new WrappedShardCopy(b, {
      damageVersion: (version) =>
        version.key.includes('e1') ? { ...version, digest: Buffer.alloc(64) } : version,
    });
    const { report, changes } = await repairCopies([a, damaging]);
    expect(report).toMatchObject({ outcome: 'failed', changed: 2, failed: 1 });
    expect(changes.find(({ result }) => result === 'failed')).toMatchObject({
      entity: 'g/n/e1',
      reason: 'digest does not fit the source',
    });
  });

  test.each<'beforeLeafPage' | 'beforeFetched' | 'beforeApply' | 'beforeOpenView' | 'beforeOpenApply'>([
    'beforeOpenView',
    'beforeLeafPage',
    'beforeFetched',
    'beforeOpenApply',
    'beforeApply',
  ])('cancellation ends a run in which a copy hangs: %s', async (where) => {
    const abort = new AbortController();
    const hang = (): Promise<never> => {
      queueMicrotask(() => abort.abort());
      return new Promise<never>(() => undefined);
    };
    const [a, b] = [copyOf('A', many(3)), copyOf('B', many(3, 3))];
    await expect(
      repairCopies([a, new WrappedShardCopy(b, { [where]: hang })], { signal: abort.signal }),
    ).rejects.toMatchObject({ code: 'cancelled' });
    for (const copy of [a, b]) copy.build();
    expect(['matched', 'repaired']).toContain((await repairCopies([a, b])).report.outcome);
    expect(digests(a)).toEqual(digests(b));
  });
});

describe('on the way', () => {
  test('a holder that gives an older version than planned is passed over', async () => {
    const [a, b, c] = [copyOf('A', many(1)), copyOf('B', many(1)), copyOf('C', [])];
    const older = makeVersion({ id: 'e0', revision: 9n });
    const behind = new WrappedShardCopy(a, { damageFetched: ({ key }) => ({ key, version: older }) });
    expect((await repairCopies([behind, c])).report).toMatchObject({
      outcome: 'failed',
      shipped: 0,
      failed: 1,
    });
    expect((await repairCopies([behind, b, c])).report).toMatchObject({ outcome: 'repaired', shipped: 1 });
    expect(c.versions).toEqual(b.versions);
  });

  test('an answer about another entity is a bad message of that copy', async () => {
    const [a, b] = [copyOf('A', many(2)), copyOf('B', [])];
    const confused = new WrappedShardCopy(a, {
      damageFetched: ({ version }) => ({ key: Buffer.from('n\0x'), version }),
    });
    const { report } = await repairCopies([confused, b]);
    expect(report).toMatchObject({ outcome: 'failed', shipped: 0, failed: 2 });
    expect(report.shards[0]?.copies[0]?.error).toMatchObject({
      code: 'bad-message',
      details: { place: 'A' },
    });
  });

  test('a generation that went while it was compared is compared again, but not for ever', async () => {
    const gone = (times: number) => {
      let left = times;
      return new WrappedShardCopy(copyOf('A', many(3)), {
        beforeLeafPage: () => {
          if (left-- > 0) throw new CodedError('generation-gone', 'the generation is gone');
        },
      });
    };
    expect((await repairCopies([gone(2), copyOf('B', [])])).report).toMatchObject({
      outcome: 'repaired',
      changed: 3,
    });
    const { report } = await repairCopies([gone(99), copyOf('B', [])]);
    expect(report).toMatchObject({ outcome: 'failed', changed: 0, error: { code: 'generation-gone' } });
  });

  test('progress goes through describing, comparing, planning and carrying out, and ends at its totals', async () => {
    const steps: RepairProgress[] = [];
    const copies = [copyOf('A', many(500)), copyOf('B', [])];
    const { report } = await repairCopies(copies, { onProgress: (progress) => steps.push(progress) });
    expect([...new Set(steps.map(({ phase }) => phase))]).toEqual([
      'describe',
      'compare',
      'plan',
      'carry out',
    ]);
    expect(steps.filter(({ phase }) => phase === 'compare').at(-1)).toMatchObject({
      slotsDone: 32,
      slotsTotal: 32,
      entitiesTotal: 500,
    });
    expect(steps.at(-1)).toMatchObject({ entitiesDone: 500, entitiesTotal: 500, bytes: report.bytes });
  });
});
