/** Lets some replicas of a simulated cluster follow a schedule of builds and rounds, as the service does. */
import { type Cron, parseCron } from '../../src/schedule/cron.ts';
import { Schedule } from '../../src/schedule/schedule.ts';
import type { ScheduleOptions } from '../../src/schedule/schedule-options.ts';
import type { Cluster } from './cluster.ts';
import type { Coordinators } from './coordinators.ts';
import { keyedRandom } from './keyed-random.ts';
import { Crashed, group, type Replica } from './replica.ts';

/** A clock may jump: a schedule looks at least this often. */
const lookEveryMs = 120_000;

function cron(text: string): Cron {
  const parsed = parseCron(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

function optionsOf(replica: Replica, seed: number): ScheduleOptions {
  const random = keyedRandom(seed, `schedule ${replica.name}`);
  return {
    build: {
      cron: cron(random.pick(['@every 2m', '@every 10m'])),
      quickDelayMs: random.pick([1_000, 30_000]),
      halfInterval: random.chance(0.5),
    },
    round: {
      cron: cron(random.pick(['@every 3m', '@every 8m'])),
      off: false,
      jitterMs: random.pick([0, 20_000]),
      quickDelayMs: 60_000,
      quickIntervalMs: 300_000,
      deadlineMs: 3_600_000,
      deadlines: new Map(),
      shardsPerFiring: null,
    },
    windows: [],
    catchUp: random.chance(0.5),
    seed: replica.name,
  };
}

/** Follows schedules at some of the replicas until `untilMs`. */
export function followSchedules(cluster: Cluster, coordinators: Coordinators, untilMs: number): void {
  const { replicas, network, underWay } = cluster;
  for (const replica of replicas) {
    if (replica.kind === 'banyandb' || !keyedRandom(network.seed, `follows ${replica.name}`).chance(0.3))
      continue;
    underWay.track(
      `the schedule of ${replica.name}`,
      new Follower(cluster, coordinators, replica).follow(untilMs),
    );
  }
}

class Follower {
  readonly #cluster: Cluster;
  readonly #coordinators: Coordinators;
  readonly #replica: Replica;
  readonly #options: ScheduleOptions;
  #schedule: Schedule;
  #life: number;

  constructor(cluster: Cluster, coordinators: Coordinators, replica: Replica) {
    this.#cluster = cluster;
    this.#coordinators = coordinators;
    this.#replica = replica;
    this.#options = optionsOf(replica, cluster.network.seed);
    this.#life = replica.life;
    this.#schedule = new Schedule(
      this.#options,
      { lastRoundFiringMs: null, paused: false },
      replica.clock.nowMs(),
    );
  }

  async follow(untilMs: number): Promise<void> {
    const { time } = this.#cluster;
    const { clock, name } = this.#replica;
    for (let looks = 0; time.nowMs < untilMs; looks += 1) {
      const waitMs = this.#schedule.nextWakeMs(clock.nowMs()) - clock.nowMs();
      if (waitMs < 0) this.#coordinators.violation ??= new Error(`the schedule of ${name} wakes in the past`);
      // A whole number, and never none: what is due is handed out once.
      await time.wait(Math.ceil(Math.max(1, Math.min(waitMs, lookEveryMs))), `schedule ${name} ${looks}`);
      try {
        await this.#look();
      } catch (error) {
        if (!(error instanceof Crashed)) this.#coordinators.violation ??= error as Error;
      }
    }
  }

  async #look(): Promise<void> {
    const replica = this.#replica;
    const { clock, store } = replica;
    if (!replica.up) return;
    if (replica.life !== this.#life) this.#restart();
    if (!(await store.hasGroup())) return;
    this.#schedule.observe(group, 0, (await store.listedTree())?.stale ?? true, clock.nowMs());
    const { builds, rounds } = this.#schedule.due(clock.nowMs());
    const { happenings } = this.#cluster.network;
    happenings.count('build by schedule', builds.length);
    happenings.count('round by schedule', rounds.length);
    for (const _build of builds) {
      await replica.perform(() => store.build());
      this.#schedule.ended('build', group, 0, clock.nowMs(), 1);
    }
    for (const _round of rounds) this.#round(this.#schedule);
  }

  /** What is kept over a restart is the last firing; runs that were under way are gone. */
  #restart(): void {
    const { lastRoundFiringMs } = this.#schedule;
    this.#life = this.#replica.life;
    this.#schedule = new Schedule(
      this.#options,
      { lastRoundFiringMs, paused: false },
      this.#replica.clock.nowMs(),
    );
  }

  #round(schedule: Schedule): void {
    const { clock, name } = this.#replica;
    const startedMs = this.#cluster.time.nowMs;
    const { report } = this.#coordinators.start(this.#cluster.replicas, name);
    void report.then((done) => {
      const tookMs = done === null ? null : this.#cluster.time.nowMs - startedMs;
      schedule.ended('round', group, 0, clock.nowMs(), tookMs);
    });
  }
}
