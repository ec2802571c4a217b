/**
 * The simulated network between coordinators and replicas: every call is a request and an answer that take time,
 * get lost, are cut by partitions, or reach the replica a second time long after. The fate of a call depends on
 * the seed and on what the call is, so that it is the same whatever else happens.
 */
import { CodedError } from '../../src/lib/coded-error.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { Happenings } from './happenings.ts';
import type { Violation } from './invariants.ts';
import { keyedRandom } from './keyed-random.ts';
import { Crashed, type Replica } from './replica.ts';
import type { Run } from './run.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What may go wrong, as shares of all calls. */
export interface Weather {
  readonly delayMs: number;
  readonly lost: number;
  readonly crash: number;
  readonly repeated: number;
  /** A pinned view that its replica gave up. */
  readonly leaseEnds: number;
}

export const calm: Weather = { delayMs: 20, lost: 0, crash: 0, repeated: 0, leaseEnds: 0 };

/** How long a caller waits for an answer that does not come. */
const answerTimeoutMs = 10_000;

/** A late copy of a request arrives within this time. */
const repeatDelayMs = 120_000;

export interface Call<Result> {
  readonly run: Run;
  readonly replica: Replica;
  readonly what: string;
  readonly work: () => Promise<Result>;
  /** Done when the request reaches the replica once more, its session long over. */
  readonly again?: () => Promise<unknown>;
}

export class Network {
  weather: Weather;
  readonly happenings = new Happenings();
  readonly time: VirtualTime;
  readonly seed: number;
  /** Pairs of names that cannot reach each other, as `a|b` with a before b. */
  readonly cuts = new Set<string>();
  /** The first promise that was seen broken where nobody else would hear of it. */
  violation: Violation | null = null;
  /** Who dies of what it works on now. */
  #dying: Replica | null = null;
  /** Told of every replica that crashed in a call. */
  onCrash: (replica: Replica) => void = () => undefined;

  constructor(time: VirtualTime, seed: number, weather: Weather) {
    this.time = time;
    this.seed = seed;
    this.weather = weather;
  }

  static pair(a: string, b: string): string {
    return a < b ? `${a}|${b}` : `${b}|${a}`;
  }

  /** Calls a replica for a run. Throws what the work throws, `unreachable`, `timeout`, or the run's cancellation. */
  async call<Result>(call: Call<Result>): Promise<Result> {
    const { run, replica, what } = call;
    const { weather } = this;
    const key = run.nextCall(replica.name, what);
    const random = keyedRandom(this.seed, key);
    const far = run.host !== replica.name;
    const delay = (): number => 1 + (far ? random.below(weather.delayMs) : 0);
    await run.goOn(this.time.wait(delay(), `${key} asks`, run.signal));
    if (far && this.isLost(run, replica, random)) await this.#lose(run, replica, key);
    if (!replica.up) throw unreachable(replica, 'is down');
    if (call.again !== undefined && random.chance(weather.repeated)) {
      this.repeat(replica, `${key} again`, random, call.again);
    }
    const done = await this.#perform(call, random);
    if (done === null) await this.#timeOut(run, replica, key);
    await run.goOn(this.time.wait(delay(), `${key} answers ${done?.code ?? 'well'}`, run.signal));
    if (far && this.isLost(run, replica, random)) await this.#lose(run, replica, key);
    if (done === null || 'error' in done) throw done?.error;
    return done.result;
  }

  /** Gives a replica what it works on until all has come to rest; it may die of it. */
  async deliver(replica: Replica, random: SeededRandom, work: () => void): Promise<void> {
    const crashAt = random.chance(this.weather.crash) ? random.below(12) : null;
    replica.touched = true;
    if (crashAt === null) return work();
    if (crashAt === 0 && !replica.store.hasCrashPoints) {
      await replica.crash();
      return this.onCrash(replica);
    }
    this.#dying = replica;
    this.happenings.count('replica crashes in the midst of its work');
    replica.dieAt(crashAt);
    work();
  }

  /** To be called when all has come to rest: who was to die of its work is dead now. */
  async cameToRest(): Promise<void> {
    const replica = this.#dying;
    if (replica === null) return;
    this.#dying = null;
    await replica.died();
    this.onCrash(replica);
  }

  /** Null when the replica crashed. */
  async #perform<Result>(
    { replica, work }: Call<Result>,
    random: SeededRandom,
  ): Promise<{ result: Result; code?: undefined } | { error: unknown; code: string } | null> {
    const crashAt = random.chance(this.weather.crash) ? random.below(12) : null;
    if (crashAt !== null) this.happenings.count('replica crashes in the midst of its work');
    try {
      return { result: await replica.perform(work, crashAt) };
    } catch (error) {
      if (!(error instanceof Crashed)) return { error, code: CodedError.from(error).code };
      this.onCrash(replica);
      return null;
    }
  }

  broke(violation: Violation): void {
    this.violation ??= violation;
  }

  /** Whether a message between a coordinator and a replica is lost now. */
  isLost(run: Run, replica: Replica, random: SeededRandom): boolean {
    return random.chance(this.weather.lost) || this.cuts.has(Network.pair(run.host, replica.name));
  }

  async #lose(run: Run, replica: Replica, key: string): Promise<never> {
    this.happenings.count('message lost, silence');
    return await this.#timeOut(run, replica, key);
  }

  async #timeOut(run: Run, replica: Replica, key: string): Promise<never> {
    await run.goOn(this.time.wait(answerTimeoutMs, `${key} times out`, run.signal));
    throw new CodedError('timeout', `${replica.name} did not answer`, { place: replica.name });
  }

  /** Has a request reach the replica once more, some time later. */
  repeat(replica: Replica, key: string, random: SeededRandom, again: () => Promise<unknown>): void {
    const { life } = replica;
    this.time
      .wait(1 + random.below(repeatDelayMs), key)
      .then(async () => {
        if (!replica.up || replica.life !== life) return;
        this.happenings.count('request repeated late');
        await replica.perform(again);
      })
      // What a late copy of a request comes to, nobody hears.
      .catch((error: unknown) => this.time.note(`${key} ${CodedError.from(error).code}`));
  }
}

export function unreachable(replica: Replica, why: string): CodedError {
  return new CodedError('unreachable', `${replica.name} ${why}`, { place: replica.name });
}
