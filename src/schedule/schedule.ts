/**
 * Decides which trees are built and which shards are visited by a round, and when. Pure over the times it is
 * given: it starts nothing and waits for nothing; the service asks it again and again, does what is due and
 * tells how it went. Only what nobody asked for by hand goes through here.
 *
 * Builds: on the build cron every shard whose index moved on, and soon after writes those that were written to.
 * Rounds: on the round cron the shards that were visited longest ago, and sooner those whose copies were seen to
 * differ. A shard is handed out once until its build or visit is told to have ended, so never two builds or two
 * runs of one shard are under way.
 */
import { quietUntil } from './quiet-windows.ts';
import { forecastVisits, type Visit } from './forecast.ts';
import type {
  DueShard,
  ScheduleMemory,
  ScheduleOptions,
  ShardOutlook,
  Skip,
  Trigger,
  WorkKind,
} from './schedule-options.ts';
import { noticedVisitAtMs } from './noticed-difference.ts';
import { roundOutlook } from './round-outlook.ts';
import { dueByMs, type ShardState } from './shard-state.ts';
import { buildTicks, type Firing, roundTicks, type Ticks } from './ticks.ts';
import type { WaitReason } from './wait-reasons.ts';

export class Schedule {
  #options: ScheduleOptions;
  #builds: Ticks;
  #rounds: Ticks;
  readonly #shards = new Map<string, ShardState>();
  #visitMs = 0;
  paused: boolean;

  constructor(options: ScheduleOptions, memory: ScheduleMemory, nowMs: number) {
    this.#options = options;
    this.paused = memory.paused;
    this.#builds = buildTicks(options, nowMs);
    this.#rounds = roundTicks(options, nowMs, memory.lastRoundFiringMs);
  }

  /** Puts other options in force; what is under way or was visited stays known. */
  reconfigure(options: ScheduleOptions, nowMs: number): void {
    this.#options = options;
    this.#builds = buildTicks(options, nowMs);
    this.#rounds = roundTicks(options, nowMs, null);
  }

  get lastRoundFiringMs(): number | null {
    return this.#rounds.lastMs;
  }

  /**
   * Tells that a shard is there and whether its index has moved on since its tree; `lastVisitMs` counts only
   * for a shard that was not known.
   */
  observe(
    group: string,
    shard: number,
    moved: boolean,
    nowMs: number,
    lastVisitMs: number | null = null,
  ): void {
    const state = this.#shards.get(keyOf(group, shard)) ?? {
      group,
      shard,
      knownSinceMs: nowMs,
      movedSinceMs: null,
      building: false,
      visiting: false,
      lastVisitMs,
      noticed: null,
      lastBuildSkip: null,
      lastRoundSkip: null,
    };
    this.#shards.set(keyOf(group, shard), state);
    if (!moved) state.movedSinceMs = null;
    else state.movedSinceMs ??= nowMs;
  }

  /** Tells whether the newest trees of a shard's copies, none of which was written to since, differ. */
  observeCopies(group: string, shard: number, differ: boolean, nowMs: number): void {
    const state = this.#shards.get(keyOf(group, shard));
    if (state === undefined) return;
    if (!differ) state.noticed = null;
    else state.noticed ??= { sinceMs: nowMs, visited: false };
  }

  /** End of the window that is open; null for none. */
  quietUntilMs(nowMs: number): number | null {
    return quietUntil(this.#options.windows, nowMs);
  }

  /** Forgets shards that are no longer there. */
  retain(present: readonly { readonly group: string; readonly shard: number }[]): void {
    const keys = new Set(present.map(({ group, shard }) => keyOf(group, shard)));
    for (const key of this.#shards.keys()) if (!keys.has(key)) this.#shards.delete(key);
  }

  /** Builds and visits that are due, each handed out once until {@link ended}. */
  due(nowMs: number): { builds: DueShard[]; rounds: DueShard[] } {
    const held = this.#held(nowMs);
    if (held !== null) {
      for (const state of this.#shards.values()) {
        if (nowMs >= this.#builds.nextAtMs) state.lastBuildSkip = { reason: held, atMs: nowMs };
        if (nowMs >= this.#rounds.nextAtMs) state.lastRoundSkip = { reason: held, atMs: nowMs };
      }
      return { builds: [], rounds: [] };
    }
    return { builds: this.#dueBuilds(nowMs), rounds: this.#dueRounds(nowMs) };
  }

  /** Tells that a build or visit that was handed out, or one made by hand, has begun. */
  started(kind: WorkKind, group: string, shard: number): void {
    const state = this.#shards.get(keyOf(group, shard));
    if (state === undefined) return;
    if (kind === 'build') state.building = true;
    else state.visiting = true;
  }

  /** Tells that it has ended; `tookMs` null where it did not take place, so the shard was not visited. */
  ended(kind: WorkKind, group: string, shard: number, nowMs: number, tookMs: number | null): void {
    const state = this.#shards.get(keyOf(group, shard));
    if (state === undefined) return;
    if (kind === 'build') {
      state.building = false;
      return;
    }
    state.visiting = false;
    if (state.noticed !== null) state.noticed = { ...state.noticed, visited: true };
    if (tookMs === null) return;
    state.lastVisitMs = nowMs;
    // A moving mean: the forecast follows a cluster that grows.
    this.#visitMs = this.#visitMs === 0 ? tookMs : this.#visitMs * 0.8 + tookMs * 0.2;
  }

  /** Tells that a build or visit that was handed out is not made after all, and why. */
  skipped(kind: WorkKind, group: string, shard: number, reason: WaitReason, nowMs: number): void {
    const state = this.#shards.get(keyOf(group, shard));
    if (state === undefined) return;
    if (kind === 'build') state.lastBuildSkip = { reason, atMs: nowMs };
    else state.lastRoundSkip = { reason, atMs: nowMs };
    this.ended(kind, group, shard, nowMs, null);
  }

  /** What was skipped at just this time, and why. */
  skipsAt(
    nowMs: number,
  ): { group: string; shard: number; build: WaitReason | null; round: WaitReason | null }[] {
    const at = (skip: Skip | null): WaitReason | null => (skip?.atMs === nowMs ? skip.reason : null);
    return [...this.#shards.values()].map(({ group, shard, lastBuildSkip, lastRoundSkip }) => ({
      group,
      shard,
      build: at(lastBuildSkip),
      round: at(lastRoundSkip),
    }));
  }

  /** When something may become due without anything being told; never in the past. */
  nextWakeMs(nowMs: number): number {
    const times = [this.#builds.nextAtMs, this.#rounds.nextAtMs, this.quietUntilMs(nowMs) ?? Infinity];
    for (const state of this.#shards.values()) {
      if (state.movedSinceMs !== null) times.push(state.movedSinceMs + this.#options.build.quickDelayMs);
      times.push(noticedVisitAtMs(state, this.#options) ?? Infinity);
    }
    return Math.min(...times.filter((atMs) => atMs > nowMs));
  }

  /** How a shard stands; null where it is not known. */
  outlook(group: string, shard: number, nowMs: number): ShardOutlook | null {
    const state = this.#shards.get(keyOf(group, shard));
    if (state === undefined) return null;
    const visit = this.#forecast(nowMs).get(keyOf(group, shard));
    const { lastBuildSkip, lastRoundSkip } = state;
    const byMs = dueByMs(state, this.#options.round);
    return {
      ...this.#buildOutlook(state, nowMs),
      ...roundOutlook(state, { visit, held: this.#held(nowMs), options: this.#options, nowMs }),
      dueByMs: byMs,
      onTime: visit !== undefined && visit.atMs <= byMs,
      lastBuildSkip,
      lastRoundSkip,
    };
  }

  /** Shards that the forecast says will be visited after their deadline. */
  lateShards(nowMs: number): number {
    // Who wants no rounds misses none.
    if (this.#options.round.off) return 0;
    const forecast = this.#forecast(nowMs);
    return [...this.#shards].filter(([key, state]) => {
      const visit = forecast.get(key);
      return visit === undefined || visit.atMs > dueByMs(state, this.#options.round);
    }).length;
  }

  #held(nowMs: number): WaitReason | null {
    if (this.paused) return 'paused';
    return quietUntil(this.#options.windows, nowMs) === null ? null : 'window';
  }

  #dueBuilds(nowMs: number): DueShard[] {
    const firing = this.#builds.take(nowMs);
    const due: DueShard[] = [];
    for (const state of this.#shards.values()) {
      const trigger = this.#buildTrigger(state, firing, nowMs);
      if (trigger === null) continue;
      state.building = true;
      due.push({ group: state.group, shard: state.shard, trigger });
    }
    return due;
  }

  #buildTrigger(state: ShardState, firing: Firing | null, nowMs: number): Trigger | null {
    const skip = (reason: WaitReason): null => {
      if (firing !== null || reason === 'half-interval') state.lastBuildSkip = { reason, atMs: nowMs };
      return null;
    };
    if (state.movedSinceMs === null) return skip('unchanged');
    if (state.building) return skip('running');
    if (firing === 'missed') return skip('missed');
    if (firing !== null) return firing;
    if (nowMs < state.movedSinceMs + this.#options.build.quickDelayMs) return null;
    return this.#pastHalfInterval(nowMs) ? skip('half-interval') : 'quick';
  }

  #pastHalfInterval(nowMs: number): boolean {
    if (!this.#options.build.halfInterval) return false;
    const { intervalMs, nextAtMs } = this.#builds;
    return nowMs > nextAtMs - intervalMs / 2;
  }

  #dueRounds(nowMs: number): DueShard[] {
    const firing = this.#rounds.take(nowMs);
    const due = firing === null ? [] : this.#firedRounds(firing, nowMs);
    for (const state of this.#oldestFirst()) {
      if (state.visiting || (noticedVisitAtMs(state, this.#options) ?? Infinity) > nowMs) continue;
      state.visiting = true;
      due.push({ group: state.group, shard: state.shard, trigger: 'differs' });
    }
    return due;
  }

  #firedRounds(firing: Firing, nowMs: number): DueShard[] {
    const { off, shardsPerFiring } = this.#options.round;
    const skipAll = (reason: WaitReason): DueShard[] => {
      for (const state of this.#shards.values()) state.lastRoundSkip = { reason, atMs: nowMs };
      return [];
    };
    if (off) return skipAll('off');
    if (firing === 'missed') return skipAll('missed');
    const due: DueShard[] = [];
    for (const state of this.#oldestFirst()) {
      if (state.visiting) state.lastRoundSkip = { reason: 'running', atMs: nowMs };
      else if (due.length === (shardsPerFiring ?? Infinity))
        state.lastRoundSkip = { reason: 'older-first', atMs: nowMs };
      else {
        state.visiting = true;
        due.push({ group: state.group, shard: state.shard, trigger: firing });
      }
    }
    return due;
  }

  #oldestFirst(): ShardState[] {
    return [...this.#shards.values()].sort((a, b) => (a.lastVisitMs ?? 0) - (b.lastVisitMs ?? 0));
  }

  #forecast(nowMs: number): Map<string, Visit> {
    const { off, shardsPerFiring, cron } = this.#options.round;
    if (off) return new Map();
    const keys = this.#oldestFirst().map(({ group, shard }) => keyOf(group, shard));
    return forecastVisits(keys, {
      firstAtMs: Math.max(nowMs, this.#rounds.nextAtMs),
      cron,
      shardsPerFiring,
      visitMs: this.#visitMs,
      windows: this.#options.windows,
    });
  }

  #buildOutlook(state: ShardState, nowMs: number): Pick<ShardOutlook, 'nextBuildAtMs' | 'buildWaits'> {
    if (state.building) return { nextBuildAtMs: null, buildWaits: 'running' };
    if (state.movedSinceMs === null) return { nextBuildAtMs: null, buildWaits: 'unchanged' };
    const quickAtMs = state.movedSinceMs + this.#options.build.quickDelayMs;
    const held = this.#held(nowMs);
    const halved = this.#pastHalfInterval(Math.max(nowMs, quickAtMs));
    const atMs = halved ? this.#builds.nextAtMs : Math.min(quickAtMs, this.#builds.nextAtMs);
    return {
      nextBuildAtMs: Math.max(nowMs, atMs),
      buildWaits: held ?? (halved ? 'half-interval' : 'quick-delay'),
    };
  }
}

function keyOf(group: string, shard: number): string {
  return `${group}/${shard}`;
}
