/** Brings metrics of what is so, rather than of what happened, up to date when somebody asks for them. */
import type { StatusResource } from '../admin/resources.ts';
import type { History } from './history.ts';
import type { Metrics } from './metrics.ts';
import { freeBytes } from './start-checks.ts';

/** Shards with series of their own: beyond it a Prometheus would suffer, and the sums are there. */
const shardSeriesMax = 1_000;

export interface GaugesOptions {
  readonly metrics: Metrics;
  readonly history: History;
  readonly root: string;
  readonly followers: number;
  /** Versions on their way to other replicas. */
  readonly sending: number;
  readonly nowMs: number;
}

export async function refreshGauges(status: StatusResource, options: GaugesOptions): Promise<void> {
  const { metrics, history, root, followers, sending } = options;
  metrics.info.set({ version: status.version, name: status.name }, 1);
  metrics.ready.set(Number(status.ready));
  metrics.paused.set(Number(status.paused));
  metrics.windowOpen.set(Number(status.windowUntil !== null));
  metrics.lateShards.set(status.lateShards);
  metrics.runsWaiting.set(status.runsWaiting);
  metrics.runsRunning.set(status.runsRunning);
  metrics.runsPaused.set(status.runsPaused);
  metrics.followers.set(followers);
  metrics.propertiesWaiting.set(sending);
  metrics.peers.set(status.peers.length);
  metrics.diskFree.set(await freeBytes(root));
  const { runs, bytes } = history.size();
  metrics.historyRuns.set(runs);
  metrics.historyBytes.set(bytes);
  refreshShards(status, options);
}

function refreshShards({ shards, startedAt }: StatusResource, { metrics, nowMs }: GaugesOptions): void {
  metrics.shards.set(shards.length);
  metrics.shardErrors.set(shards.filter(({ error }) => error !== null).length);
  metrics.hiddenShards.set(Math.max(0, shards.length - shardSeriesMax));
  const perShard = [
    [metrics.shardProperties, ({ leaves }) => leaves],
    [metrics.shardLive, ({ live }) => live],
    [metrics.shardWrites, ({ writeSequence }) => (writeSequence === null ? null : Number(writeSequence))],
    [metrics.treeLeaves, ({ tree }) => tree?.leaves ?? null],
    [metrics.treeGeneration, ({ tree }) => tree?.generation ?? null],
    [metrics.treeAge, ({ tree }) => secondsSince(tree?.builtAt ?? null, nowMs)],
    [metrics.treeStale, ({ tree }) => (tree === null ? null : Number(tree.stale))],
    [metrics.agreement, ({ agreement }) => ({ equal: 1, differs: 0, unknown: -1 })[agreement.state]],
    // One that never converged counts from the start: an alert must not wait for a first success.
    [metrics.sinceConverged, ({ lastConvergedAt }) => secondsSince(lastConvergedAt ?? startedAt, nowMs)],
    [metrics.sinceVisit, ({ lastRound }) => secondsSince(lastRound?.at ?? null, nowMs)],
    [metrics.untilDue, ({ dueBy }) => (dueBy === null ? null : (Date.parse(dueBy) - nowMs) / 1_000)],
  ] as const satisfies readonly (readonly [
    Metrics['treeAge'],
    (shard: StatusResource['shards'][number]) => number | null,
  ])[];
  for (const [gauge, read] of perShard) {
    // Shards that are gone lose their series.
    gauge.reset();
    for (const shard of shards.slice(0, shardSeriesMax)) {
      const value = read(shard);
      if (value !== null) gauge.set({ group: shard.group, shard: String(shard.shard) }, value);
    }
  }
}

function secondsSince(time: string | null, nowMs: number): number | null {
  return time === null ? null : (nowMs - Date.parse(time)) / 1_000;
}
