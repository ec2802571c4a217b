/** Ties runs to their work, to the schedule they report to, and to the events they make. */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { TimeLimit } from '../lib/time-limit.ts';
import type { Tracer } from '../lib/trace.ts';
import type { StartCall } from '../peer/traced-calls.ts';
import type { Settings } from '../settings/settings.ts';
import type { TreeBuilder } from '../tree/tree-builder.ts';
import type { OnDamage } from '../tree/tree-directory.ts';
import { buildShards } from './build-work.ts';
import type { Events } from './events.ts';
import type { History } from './history.ts';
import type { KeptPlans } from './kept-plans.ts';
import { noPeer, type OpenMembers } from './members.ts';
import { type Clusters, isCluster } from './clusters.ts';
import { repairMembers } from './repair-work.ts';
import type { Run } from './run.ts';
import { Runs } from './runs.ts';
import type { ScheduleLoop } from './schedule-loop.ts';
import type { ShardWatch } from './shard-watch.ts';

export interface RunsParts {
  readonly clock: Clock;
  readonly history: History;
  readonly tracer: Tracer | null;
  readonly loop: ScheduleLoop;
  readonly shards: ShardWatch;
  readonly events: Events;
  readonly clusters: Clusters;
  readonly plans: KeptPlans;
  readonly openMembers: OpenMembers;
  readonly builder: TreeBuilder;
  readonly onDamage: OnDamage;
  /** As they are in force now. */
  readonly settings: () => Settings;
}

export function createRuns(parts: RunsParts): Runs {
  const { clock, history, loop, shards, events, builder, onDamage, settings } = parts;
  const runs: Runs = new Runs({
    clock,
    history,
    tracer: parts.tracer,
    work: {
      build: (run, signal) =>
        buildShards(run, {
          ...{ root: settings().root, builder, shards, signal, onDamage },
          onBuilt: (leaves) => events.built(leaves),
        }),
      repair: (run, signal) => repair(parts, run, signal),
    },
    onStart: (run) => {
      loop.started(run);
      events.runStarted(run.resource);
    },
    onEnd: (run) => {
      loop.ended(run, run.tookMs);
      events.runEnded(run.resource, run.tookMs);
      // What was built or repaired changes what is due; looking once, after the last, is enough.
      if (runs.waiting === 0) loop.wake();
    },
    onPause: (run) => {
      loop.paused(run);
      events.runPaused(run.resource);
    },
  });
  return runs;
}

async function repair(parts: RunsParts, run: Run, signal: AbortSignal): Promise<void> {
  const { settings, clock } = parts;
  const { group, dryRun, peers } = run.resource;
  if (isCluster(group) && !dryRun && !parts.clusters.mayRepair(group)) {
    throw new CodedError('refused', `the settings allow audits of ${group} only: its mode is audit`, {
      group,
    });
  }
  const startCall: StartCall = (call, at) => run.trace.startCall(call, at);
  using opened = parts.openMembers({
    ...{ group, peers, runId: run.id },
    startCall: parts.tracer === null ? null : startCall,
  });
  if (opened.members.length < 2) {
    run.end({ outcome: 'skipped', reason: noPeer });
    return;
  }
  const timeoutMs = settings().round.timeout;
  using limit = TimeLimit.start({ clock, timeoutMs, error: tooLong, signal });
  await repairMembers(run, opened.members, { clock, plans: parts.plans, signal: limit.signal });
}

function tooLong(): CodedError {
  return new CodedError('timeout', 'the run took longer than round.timeout; the next one continues it');
}
