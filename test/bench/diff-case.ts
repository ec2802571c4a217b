/** What comparing trees costs: nothing but the root when they are equal, the slots of the differences when not. */
import { join } from 'node:path';
import { cp, rm } from 'node:fs/promises';
import { diffShard, type DiffResult } from '../../src/diff/diff-shard.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { alone, type BenchCase, type Figure, timed } from './bench-case.ts';
import { benchSettings, fillShard } from './made-shard.ts';
import { peakMemoryOf } from './peak-memory.ts';

const slots = 1_024;

/** Compares a shard of `count` properties with copies of it in which some have a later version. */
export function diffCase(count: number): BenchCase {
  return {
    name: `diff-${count}`,
    description: `comparing ${count} properties at ${slots} slots with 0, 1, 32 and 1,000 differing`,
    run: async (directory) => {
      const [a, b] = [join(directory, 'a'), join(directory, 'b')];
      await fillShard({ root: a, to: count, valueBytes: 100 });
      await build(a);
      const figures: Figure[] = [];
      for (const differing of [0, 1, 32, 1_000]) {
        await rm(b, { recursive: true, force: true });
        await cp(a, b, { recursive: true });
        if (differing > 0)
          await fillShard({ root: b, to: differing, valueBytes: 100, later: 1_000_000_000n });
        await build(b);
        const { ms, result } = await timed(() => compare(a, b));
        if (result.differing !== differing)
          throw new Error(`${result.differing} differing, not ${differing}`);
        const slotsMost = slots * (1 - (1 - 1 / slots) ** differing);
        const leavesExpected = 2 * slotsMost * (count / slots);
        figures.push(alone(`diff ${count}, ${differing} differing`, 'ms', ms, null));
        figures.push(
          alone(
            `diff ${count}, ${differing} differing`,
            'leaves read',
            result.leavesRead,
            Math.ceil(leavesExpected * 1.5),
          ),
        );
      }
      figures.push(
        alone(`diff ${count}, 1,000 differing, peak memory`, 'MiB', await peakMemoryOf('diff', [a, b]), 256),
      );
      return figures;
    },
  };
}

async function build(root: string): Promise<void> {
  const settings = { ...benchSettings, slots };
  await buildTree({ identity: { root, group: 'bench', shard: 0 }, settings, clock: systemClock });
}

async function compare(...roots: readonly string[]): Promise<DiffResult> {
  const copies = roots.map(
    (root) => new LocalShardCopy({ root, group: 'bench', shard: 0, clock: systemClock }),
  );
  const views = await Promise.all(
    copies.map(async (copy) => ({ place: copy.place, view: await copy.openView() })),
  );
  const diff = diffShard(views, { clock: systemClock });
  for await (const _difference of diff);
  await Promise.all(views.map(({ view }) => view[Symbol.asyncDispose]()));
  return diff.result;
}
