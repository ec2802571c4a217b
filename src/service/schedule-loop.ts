/**
 * Drives the schedule: looks at shards and peers, queues what is due, tells the schedule and the history how it
 * went. Decides nothing itself.
 */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { SpareHeap } from '../lib/spare-heap.ts';
import { dayMs } from '../lib/units.ts';
import { holdsShard, type HeldShards } from '../peer/held-shards.ts';
import { Schedule } from '../schedule/schedule.ts';
import type { DueShard } from '../schedule/schedule-options.ts';
import type { Settings } from '../settings/settings.ts';
import { settledCopiesDiffer } from './agreement.ts';
import { type Clusters, isCluster } from './clusters.ts';
import type { Events } from './events.ts';
import type { History, VisitRecord } from './history.ts';
import type { KeptPlans } from './kept-plans.ts';
import type { PeerWatch } from './peer-watch.ts';
import type { Run } from './run.ts';
import type { Runs } from './runs.ts';
import { scheduleOptionsOf } from './schedule-options-of.ts';
import type { ShardWatch } from './shard-watch.ts';
import { WokenSleep } from './woken-sleep.ts';

export interface ScheduleLoopOptions {
  readonly settings: Settings;
  readonly held: HeldShards;
  readonly clock: Clock;
  readonly history: History;
  readonly events: Events;
  readonly shards: ShardWatch;
  readonly peers: PeerWatch;
  readonly clusters: Clusters;
  readonly plans: KeptPlans;
}

/** Names under which the history remembers it. */
const pausedMemory = 'paused';
const lastRoundMemory = 'lastRoundFiringMs';

export class ScheduleLoop {
  readonly schedule: Schedule;
  readonly #options: ScheduleLoopOptions;
  #settings: Settings;
  readonly #visits = new Map<string, VisitRecord>();
  readonly #rest: WokenSleep;
  readonly #spareHeap = new SpareHeap();
  #sweptMs = 0;

  constructor(options: ScheduleLoopOptions) {
    this.#options = options;
    this.#settings = options.settings;
    const { history, clock } = options;
    this.#rest = new WokenSleep(clock);
    const last = history.recall(lastRoundMemory);
    this.schedule = new Schedule(
      scheduleOptionsOf(options.settings),
      {
        lastRoundFiringMs: last === null ? null : Number(last),
        paused: history.recall(pausedMemory) === 'true',
      },
      clock.nowMs(),
    );
    for (const visit of history.visits()) this.#visits.set(`${visit.group}/${visit.shard}`, visit);
  }

  visit(group: string, shard: number): VisitRecord | null {
    return this.#visits.get(`${group}/${shard}`) ?? null;
  }

  reconfigure(settings: Settings): void {
    this.#settings = settings;
    this.schedule.reconfigure(scheduleOptionsOf(settings), this.#options.clock.nowMs());
    this.wake();
    // Who they are and how often they are asked may have changed.
    this.#options.peers.wake();
  }

  setPaused(paused: boolean): void {
    if (paused === this.schedule.paused) return;
    this.schedule.paused = paused;
    this.#options.history.remember(pausedMemory, String(paused));
    this.#options.events.paused(paused);
    this.wake();
  }

  /** Looks and decides at once instead of after the interval. */
  wake(): void {
    this.#rest.wake();
  }

  /** Goes on until the signal is aborted. */
  async run(runs: Runs, signal: AbortSignal): Promise<void> {
    const { clock, events } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#turn(runs, signal);
        if (runs.running + runs.waiting === 0) this.#spareHeap.release();
        const nowMs = clock.nowMs();
        const untilMs = Math.min(this.#settings.build.pollInterval, this.schedule.nextWakeMs(nowMs) - nowMs);
        await this.#rest.sleep(Math.max(untilMs, 1), signal);
      } catch (error) {
        if (signal.aborted) return;
        events.problem(
          'schedule',
          CodedError.from(error),
          'a turn of the schedule failed; the next one tries again',
        );
        await this.#rest.sleep(this.#settings.build.pollInterval, signal);
      }
    }
  }

  /** Looks at all shards and tells the schedule; what it gives is as of now. */
  async look(signal: AbortSignal): Promise<void> {
    const { clock, events, shards, peers, held } = this.#options;
    const startMs = clock.monotonicMs();
    const own = await shards.look(signal);
    events.polled(clock.monotonicMs() - startMs);
    // What only peers have belongs here too, if it is held here: the next round brings it.
    const offered = peers
      .offered()
      .filter(({ group, shard }) => holdsShard(held, group, shard) && !shards.find(group, shard));
    const present = [...own, ...offered, ...this.#options.clusters.shards];
    const nowMs = clock.nowMs();
    for (const { group, shard } of present) {
      const moved = shards.find(group, shard)?.moved ?? false;
      this.schedule.observe(group, shard, moved, nowMs, this.visit(group, shard)?.visitedMs ?? null);
      const differ = settledCopiesDiffer(shards.find(group, shard), peers.trees(group, shard));
      this.schedule.observeCopies(group, shard, differ, nowMs);
    }
    this.schedule.retain(present);
  }

  async #turn(runs: Runs, signal: AbortSignal): Promise<void> {
    const { clock, history, peers, events } = this.#options;
    await this.look(signal);
    const nowMs = clock.nowMs();
    const before = this.schedule.lastRoundFiringMs;
    const { builds, rounds } = this.schedule.due(nowMs);
    for (const due of builds) this.#queue(runs, 'build', due);
    for (const due of rounds) {
      if (peers.peers.length > 0 || isCluster(due.group)) this.#queue(runs, 'repair', due);
      else this.schedule.skipped('round', due.group, due.shard, 'no-peers', nowMs);
    }
    this.#tellSkips(nowMs);
    const { lastRoundFiringMs } = this.schedule;
    if (lastRoundFiringMs !== before) history.remember(lastRoundMemory, String(lastRoundFiringMs));
    if (nowMs - this.#sweptMs > dayMs / 24) {
      this.#sweptMs = nowMs;
      history.sweep(nowMs - this.#settings.historyDays * dayMs);
      await this.#options.plans.sweep();
    }
    // Keeps a scrape between turns cheap and right.
    events.metrics.lateShards.set(this.schedule.lateShards(nowMs));
  }

  #queue(runs: Runs, kind: 'build' | 'repair', { group, shard, trigger }: DueShard): void {
    try {
      runs.add({
        kind,
        trigger,
        group,
        shard,
        dryRun: kind === 'repair' && this.#isAudit(group),
      });
    } catch (error) {
      this.schedule.skipped(
        kind === 'build' ? 'build' : 'round',
        group,
        shard,
        'turn',
        this.#options.clock.nowMs(),
      );
      throw error;
    }
  }

  #isAudit(group: string): boolean {
    if (isCluster(group) && !this.#options.clusters.mayRepair(group)) return true;
    return this.#settings.round.mode === 'audit';
  }

  #tellSkips(nowMs: number): void {
    for (const { group, shard, build, round } of this.schedule.skipsAt(nowMs)) {
      if (build !== null) this.#options.events.skipped('build', group, shard, build);
      if (round !== null) this.#options.events.skipped('round', group, shard, round);
    }
  }

  /** Tells the schedule that a run has begun. */
  started({ resource: { kind, group, shard } }: Run): void {
    if (group !== null && shard !== null)
      this.schedule.started(kind === 'build' ? 'build' : 'round', group, shard);
  }

  /** Tells the schedule that a run was paused: the shard is built and visited as if it had never begun. */
  paused({ resource: { kind, group, shard } }: Run): void {
    const nowMs = this.#options.clock.nowMs();
    if (group !== null && shard !== null)
      this.schedule.ended(kind === 'build' ? 'build' : 'round', group, shard, nowMs, null);
  }

  /** Tells the schedule and the history what a run came to. */
  ended({ resource }: Run, tookMs: number): void {
    const { kind, group, shard, outcome } = resource;
    const nowMs = this.#options.clock.nowMs();
    if (kind === 'build') {
      if (group !== null && shard !== null) this.schedule.ended('build', group, shard, nowMs, tookMs);
      return;
    }
    // What was changed at the peers is asked for at once: whoever looks next is told how things stand.
    if (resource.counts.changed > 0) this.#options.peers.wake();
    const { name, entity, peers, plan } = resource;
    // Nothing was compared for a plan, and who only wanted to know puts no visit off.
    const onlyAsked = resource.dryRun && resource.trigger === 'operator';
    const whole = [name, entity, peers, plan].every((part) => part === null) && !onlyAsked;
    const own = isCluster(group)
      ? [{ group, shard: 0 }]
      : group === null || shard === null
        ? []
        : [{ group, shard }];
    if (outcome === 'cancelled' || !whole) {
      for (const one of own) this.schedule.ended('round', one.group, one.shard, nowMs, null);
      return;
    }
    const visited = isCluster(group) || resource.shards.length === 0 ? own : resource.shards;
    for (const one of visited) {
      this.schedule.ended('round', one.group, one.shard, nowMs, tookMs / visited.length);
      const convergedMs =
        outcome === 'converged' ? nowMs : (this.visit(one.group, one.shard)?.convergedMs ?? null);
      const { id, reason } = resource;
      const { group: of, shard: number } = one;
      const visit = {
        group: of,
        shard: number,
        visitedMs: nowMs,
        convergedMs,
        run: id,
        outcome: outcome ?? 'failed',
        reason,
      };
      this.#visits.set(`${one.group}/${one.shard}`, visit);
      this.#options.history.saveVisit(visit);
    }
  }
}
