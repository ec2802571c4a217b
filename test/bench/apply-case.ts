/**
 * Durable apply into a shard while the event loop is watched, as a process that serves would do it: values
 * are checked, compared and committed in batches, checkpoints run in their own thread. The raw limit beside
 * it is the same values checked and written in the same batches into an empty index, in the thread that calls.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { Checkpointer } from '../../src/property-index/checkpointer.ts';
import { createGroup } from '../../src/property-index/data-root.ts';
import { IndexReader } from '../../src/property-index/index-reader.ts';
import { IndexWriter } from '../../src/property-index/index-writer.ts';
import { prepareIncoming } from '../../src/property-index/prepare-version.ts';
import { createIndex } from '../../src/property-index/schema.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import { ApplyThread } from '../../src/shard-copy/apply-thread.ts';
import { applyBatchRowsMax, type StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { against, alone, type BenchCase, type Figure, timed } from './bench-case.ts';
import { benchSettings, fillShard } from './made-shard.ts';

export function applyCase(count: number, valueBytes: number): BenchCase {
  return {
    name: `apply-${count}`,
    description: `durable apply of ${count} properties of ${valueBytes} bytes in batches of ${applyBatchRowsMax}`,
    run: async (directory): Promise<Figure[]> => {
      const from = await fillShard({ root: join(directory, 'from'), to: count, valueBytes });
      const versions: StoredVersion[] = [];
      using reader = new IndexReader(from);
      for (const page of reader.allPages(1_000)) versions.push(...page);
      const batches: StoredVersion[][] = [];
      for (let start = 0; start < count; start += applyBatchRowsMax)
        batches.push(versions.slice(start, start + applyBatchRowsMax));
      const raw = await timed(() => writeRaw(join(directory, 'raw'), batches));
      const { ms, delayMs } = await applyWatched(join(directory, 'to'), batches);
      return [
        against(`apply ${count} of ${valueBytes} B, durable`, 'ms', ms, raw.ms, null),
        alone(`apply ${count} of ${valueBytes} B, time per 20,000`, 'ms', (ms / count) * 20_000, 1_000),
        alone('apply, event-loop delay p99', 'ms', delayMs, 20),
      ];
    },
  };
}

async function applyWatched(
  root: string,
  batches: readonly StoredVersion[][],
): Promise<{ ms: number; delayMs: number }> {
  const failures: unknown[] = [];
  await using checkpointer = new Checkpointer((_path, error) => failures.push(error));
  await using applyThread = new ApplyThread(checkpointer, systemClock);
  const copy = new LocalShardCopy({ root, group: 'bench', shard: 0, clock: systemClock, applyThread });
  await using session = await copy.openApply({ settings: benchSettings, confirmed: null });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const { ms } = await timed(async () => {
    for (const batch of batches) {
      const results = await session.apply(batch);
      if (results.some(({ result }) => result !== 'applied')) throw new Error('a version was not applied');
    }
  });
  delay.disable();
  if (failures.length > 0) throw failures[0];
  return { ms, delayMs: delay.percentile(99) / 1e6 };
}

async function writeRaw(root: string, batches: readonly StoredVersion[][]): Promise<void> {
  const identity = { root, group: 'bench', shard: 0 };
  await createGroup(root, 'bench', benchSettings);
  await createIndex(identity, benchSettings);
  using writer = new IndexWriter(identity, { clock: systemClock });
  for (const batch of batches) {
    await writer.apply(
      batch.map((version) => {
        const prepared = prepareIncoming(version, writer.target);
        if (typeof prepared === 'string') throw new Error(prepared);
        return prepared;
      }),
    );
  }
}
