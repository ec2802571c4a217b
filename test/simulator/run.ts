/** One run of a coordinator in a simulated cluster: its calls, its death, what it compared. */
import type { Version } from '../../src/property/version.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Contents } from './replica.ts';
import { startMs, type VirtualTime } from './virtual-time.ts';

export class Run {
  readonly id: string;
  /** Where its coordinator runs: a replica's name, or a machine beside the cluster. */
  readonly host: string;
  readonly #controller = new AbortController();
  readonly #calls = new Map<string, number>();
  /** Set when the coordinator died: what it waits for never comes. */
  #dead = false;
  ended = false;
  readonly startedMs: number;
  /** Per place, what the tree was made of that this run listed or opened last. */
  readonly compared = new Map<string, Contents>();
  /** Per place, the versions fetched while it was compared; null for what is not there. */
  readonly fetched = new Map<string, Map<string, Version | null>>();
  readonly #resources = new Map<AsyncDisposable, () => Promise<void>>();

  constructor(id: string, host: string, startedMs: number) {
    this.id = id;
    this.host = host;
    this.startedMs = startedMs;
  }

  get dead(): boolean {
    return this.#dead;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  cancel(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** Ends its coordinator in the midst of whatever it does; replicas notice and close what it had open. */
  async die(): Promise<void> {
    this.#dead = true;
    for (const resource of [...this.#resources.keys()]) await this.closed(resource);
  }

  /** A name for its next call of this kind to this place. */
  nextCall(place: string, what: string): string {
    const name = `${this.id} ${place} ${what}`;
    const number = this.#calls.get(name) ?? 0;
    this.#calls.set(name, number + 1);
    return `${name} ${number}`;
  }

  /** Waits, and goes on only if the coordinator still lives. */
  async goOn<Result>(waiting: Promise<Result>): Promise<Result> {
    const result = await waiting;
    if (this.#dead) await new Promise(() => undefined);
    return result;
  }

  /** What was compared at a place whose leaves do not tell their versions: its tree, but for what was fetched. */
  comparedLive(place: string): Contents {
    const contents = new Map(this.compared.get(place));
    for (const [key, version] of this.fetched.get(place) ?? []) {
      if (version === null) contents.delete(key);
      else contents.set(key, version);
    }
    return contents;
  }

  /** Keeps what a replica has open for this run. */
  opened(resource: AsyncDisposable, close: () => Promise<void>): void {
    this.#resources.set(resource, close);
  }

  /** It has ended by itself. */
  forget(resource: AsyncDisposable): void {
    this.#resources.delete(resource);
  }

  /** Whether a replica still has it open for this run. */
  holds(resource: AsyncDisposable): boolean {
    return this.#resources.has(resource);
  }

  async closed(resource: AsyncDisposable): Promise<void> {
    const close = this.#resources.get(resource);
    this.#resources.delete(resource);
    await close?.();
  }
}

/** The clock of a coordinator: true, and it rings no more when the coordinator is dead. */
export class RunClock implements Clock {
  readonly #time: VirtualTime;
  readonly #run: Run;
  #sleeps = 0;

  constructor(time: VirtualTime, run: Run) {
    this.#time = time;
    this.#run = run;
  }

  nowNs(): bigint {
    return BigInt(this.nowMs()) * 1_000_000n;
  }

  nowMs(): number {
    return startMs + this.#time.nowMs;
  }

  monotonicMs(): number {
    return this.#time.nowMs;
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    const key = `sleep ${this.#run.id} ${this.#sleeps++}`;
    await this.#run.goOn(this.#time.wait(delayMs, key, signal));
  }
}
