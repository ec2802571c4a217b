/** Carries out a build run: the trees of one shard, of a group, or of all that this replica holds. */
import { CodedError } from '../lib/coded-error.ts';
import type { BuildResult } from '../tree/build-tree.ts';
import type { TreeBuilder } from '../tree/tree-builder.ts';
import type { OnDamage } from '../tree/tree-directory.ts';
import type { Run } from './run.ts';
import type { ShardWatch, WatchedShard } from './shard-watch.ts';

export interface BuildWorkOptions {
  readonly root: string;
  readonly builder: TreeBuilder;
  readonly shards: ShardWatch;
  readonly onDamage: OnDamage;
  readonly onBuilt: (leaves: number) => void;
  readonly signal: AbortSignal;
}

/** Builds what a run asks for, one shard after another, and ends the run; a shard that fails does not stop the rest. */
export async function buildShards(run: Run, options: BuildWorkOptions): Promise<void> {
  const { group, shard } = run.resource;
  const targets = (await options.shards.look(options.signal)).filter(
    (one) => (group === null || one.group === group) && (shard === null || one.shard === shard),
  );
  if (targets.length === 0 && group !== null) {
    throw new CodedError('not-found', `this replica holds no shard ${shard ?? ''} of group ${group}`, {
      field: 'group',
      value: group,
    });
  }
  const built: { result: BuildResult | null; error: CodedError | null; target: WatchedShard }[] = [];
  for (const target of targets) {
    try {
      built.push({ target, result: await buildOne(run, target, options), error: null });
    } catch (error) {
      if (options.signal.aborted) throw error;
      built.push({ target, result: null, error: CodedError.from(error) });
    }
  }
  const failed = built.find(({ error }) => error !== null)?.error ?? null;
  const some = built.some(({ result }) => result?.outcome === 'built');
  run.end({
    outcome: failed !== null ? 'failed' : some ? 'built' : 'skipped',
    reason: failed?.message ?? (some ? null : 'unchanged'),
    error: failed && { code: failed.code, message: failed.message },
    shards: built.map(({ target, result, error }) => ({
      group: target.group,
      shard: target.shard,
      outcome: error === null ? (result?.outcome ?? 'skipped') : 'failed',
      reason: error?.message ?? result?.reason ?? null,
      differing: 0,
      changed: 0,
    })),
  });
}

async function buildOne(
  run: Run,
  { group, shard, settings }: WatchedShard,
  options: BuildWorkOptions,
): Promise<BuildResult> {
  const { root, builder, onDamage, onBuilt, signal } = options;
  run.trace.phase('build', { group, shard });
  const result = await builder.build({
    identity: { root, group, shard },
    settings,
    force: run.order.force ?? false,
    signal,
    onDamage,
    onProgress: ({ phase, done, total }) =>
      run.progress(`${phase} ${group}/${shard}`, { propertiesDone: done, propertiesTotal: total }),
  });
  if (result.outcome === 'built') onBuilt(result.leaves);
  return result;
}
