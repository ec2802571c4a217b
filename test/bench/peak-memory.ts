/** Peak resident memory of a process of its own that does one named thing; run as a program it is that process. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { systemClock } from '../../src/lib/clock.ts';
import { diffShard } from '../../src/diff/diff-shard.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { benchSettings } from './made-shard.ts';

const jobs: Record<string, (roots: readonly string[]) => Promise<void>> = {
  build: async ([root = '']) => {
    const identity = { root, group: 'bench', shard: 0 };
    await buildTree({ identity, settings: benchSettings, clock: systemClock, force: true });
  },
  diff: async (roots) => {
    const copies = roots.map(
      (root) => new LocalShardCopy({ root, group: 'bench', shard: 0, clock: systemClock }),
    );
    const views = await Promise.all(
      copies.map(async (copy) => ({ place: copy.place, view: await copy.openView() })),
    );
    let differing = 0;
    for await (const _difference of diffShard(views, { clock: systemClock })) differing += 1;
    if (differing === 0) throw new Error('the shards were to differ');
  },
};

/** Runs `job` over `roots` in a new process and returns its peak resident memory in MiB. */
export async function peakMemoryOf(job: 'build' | 'diff', roots: readonly string[]): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    fileURLToPath(import.meta.url),
    job,
    ...roots,
  ]);
  return Number(stdout);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [job = '', ...roots] = process.argv.slice(2);
  await jobs[job]?.(roots);
  process.stdout.write(String(process.resourceUsage().maxRSS / 1024));
}
