/** What a schedule is told and what it tells. Times are milliseconds since 1970. */
import type { Cron } from './cron.ts';
import type { QuietWindow } from './quiet-windows.ts';
import type { WaitReason } from './wait-reasons.ts';

export interface ScheduleOptions {
  readonly build: {
    readonly cron: Cron;
    /** From the first write after a build to the next build. */
    readonly quickDelayMs: number;
    /** No quick build once half of the build interval has passed, as BanyanDB has it. */
    readonly halfInterval: boolean;
  };
  readonly round: {
    readonly cron: Cron;
    readonly off: boolean;
    readonly jitterMs: number;
    /** For how long copies must be seen to differ before the shard is visited without waiting for the cron. */
    readonly quickDelayMs: number;
    /** Shortest time after a visit of a shard to one of that kind. */
    readonly quickIntervalMs: number;
    /** Longest time between two visits of a shard. */
    readonly deadlineMs: number;
    /** Other deadlines, by group. */
    readonly deadlines: ReadonlyMap<string, number>;
    /** Shards visited per firing; null for all. */
    readonly shardsPerFiring: number | null;
  };
  readonly windows: readonly QuietWindow[];
  readonly catchUp: boolean;
  /** Decides jitter; the replica's name, so that replicas do not start at one moment. */
  readonly seed: string;
}

/** What is remembered over a restart. */
export interface ScheduleMemory {
  readonly lastRoundFiringMs: number | null;
  readonly paused: boolean;
}

export type WorkKind = 'build' | 'round';
export type Trigger = 'cron' | 'catch-up' | 'quick' | 'differs';

/** A build or a visit that is due. */
export interface DueShard {
  readonly group: string;
  readonly shard: number;
  readonly trigger: Trigger;
}

/** How one shard stands with the schedule; times in milliseconds since 1970. */
export interface ShardOutlook {
  readonly nextBuildAtMs: number | null;
  readonly buildWaits: WaitReason | null;
  readonly nextRoundAtMs: number | null;
  readonly roundWaits: WaitReason | null;
  /** By when it must have been visited again. */
  readonly dueByMs: number;
  /** Whether the forecast says that it will. */
  readonly onTime: boolean;
  readonly lastBuildSkip: Skip | null;
  readonly lastRoundSkip: Skip | null;
}

/** A firing that passed without a build or a visit. */
export interface Skip {
  readonly reason: WaitReason;
  readonly atMs: number;
}
