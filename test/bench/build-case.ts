/**
 * Cold build of a tree against the raw limit of its parts, measured in the same run on the same shard: a
 * scan of the same columns inside SQLite, SHA-512 over the digest text, a write and fsync of the same bytes.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { databasePath, treeDirectory } from '../../src/property-index/data-root.ts';
import { openDatabase } from '../../src/property-index/database.ts';
import type { ShardIdentity } from '../../src/property-index/schema.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { TreeDirectory } from '../../src/tree/tree-directory.ts';
import { against, alone, type BenchCase, type Figure, median, timed } from './bench-case.ts';
import { benchSettings, fillShard } from './made-shard.ts';
import { peakMemoryOf } from './peak-memory.ts';

const runs = 3;

/** A build of `count` properties at `slots` slots, in times its raw limit. */
export function buildCase(count: number, slots: readonly number[]): BenchCase {
  return {
    name: `build-${count}`,
    description: `cold build of ${count} properties against scan + SHA-512 + write of the same bytes`,
    run: async (directory) => {
      const identity = await fillShard({ root: directory, to: count, valueBytes: 300 });
      const figures: Figure[] = [];
      for (const slotCount of slots) {
        const builds: number[] = [];
        const limits: number[] = [];
        for (let run = 0; run < runs; run += 1) {
          builds.push(await timeBuild(identity, slotCount));
          limits.push(await rawLimit(identity, count));
        }
        const most = slotCount === 32 ? 5 : null;
        figures.push(
          against(`build ${count}, ${slotCount} slots`, 'ms', median(builds), median(limits), most),
        );
      }
      figures.push(
        alone(`build ${count}, peak memory`, 'MiB', await peakMemoryOf('build', [identity.root]), 256),
      );
      return figures;
    },
  };
}

/** Milliseconds of one cold build. */
export async function timeBuild(identity: ShardIdentity, slots: number): Promise<number> {
  const settings = { ...benchSettings, slots };
  const { ms } = await timed(() => buildTree({ identity, settings, clock: systemClock, force: true }));
  return ms;
}

async function rawLimit(identity: ShardIdentity, count: number): Promise<number> {
  const database = openDatabase(databasePath(identity.root, identity.group, identity.shard), {
    mode: 'read',
  });
  const scan = await timed(() =>
    database
      .prepare(
        'SELECT sum(octet_length(placement) + octet_length(entity_key) + octet_length(version)) FROM leaf',
      )
      .get(),
  );
  database.close();
  const hash = await timed(() => {
    const text = Buffer.alloc(128 * 1024, 'a');
    const sum = createHash('sha512');
    for (let done = 0; done < count * 128; done += text.length) sum.update(text);
    return sum.digest();
  });
  const trees = new TreeDirectory(treeDirectory(identity.root, identity.group, identity.shard));
  const bytes = statSync(trees.pathOf((await trees.generations()).at(-1) ?? 0n)).size;
  const path = join(identity.root, 'raw-write');
  const write = await timed(() => {
    const descriptor = openSync(path, 'w');
    const chunk = Buffer.alloc(1024 * 1024, 'a');
    for (let done = 0; done < bytes; done += chunk.length)
      writeSync(descriptor, chunk, 0, Math.min(chunk.length, bytes - done));
    fsyncSync(descriptor);
    closeSync(descriptor);
  });
  rmSync(path);
  return scan.ms + hash.ms + write.ms;
}
