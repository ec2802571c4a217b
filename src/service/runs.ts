/**
 * All runs of this replica: those that wait, run or are paused, in memory, and those that ended, in the history.
 * Runs of a kind go one after another, those ordered by hand first, so never two builds or two repairs are under way.
 * A paused run stands beside them and is in nobody's way.
 */
import { randomUUID } from 'node:crypto';
import type { Idempotency, RunFilter } from '../admin/operations.ts';
import type { ChangeResource, RunResource } from '../admin/resources.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { Tracer } from '../lib/trace.ts';
import type { History } from './history.ts';
import { Run, type RunOrder } from './run.ts';

/** Runs that wait, of a kind: every shard of a replica fits, an operator's mistake in a loop does not. */
export const waitingRunsMax = 10_000;

/** Does a run's work and ends it; what it throws ends it as failed. */
export type Work = (run: Run, signal: AbortSignal) => Promise<void>;

export interface RunsOptions {
  readonly clock: Clock;
  readonly history: History;
  readonly tracer: Tracer | null;
  readonly work: Readonly<Record<RunResource['kind'], Work>>;
  /** Told when a run was started and when it has ended. */
  readonly onStart: (run: Run) => void;
  readonly onEnd: (run: Run) => void;
  /** Told when a run that had begun was paused. */
  readonly onPause: (run: Run) => void;
}

interface Lane {
  readonly waiting: Run[];
  running: Run | null;
  /** Settles when the run under way has unwound. */
  attempt: Promise<void>;
  /** Settles when the lane has nothing to do. */
  busy: Promise<void>;
}

type Listener = (run: RunResource) => void;

export class Runs {
  readonly #options: RunsOptions;
  readonly #lanes: Readonly<Record<RunResource['kind'], Lane>> = { build: newLane(), repair: newLane() };
  readonly #paused = new Map<string, Run>();
  readonly #listeners = new Set<{ readonly id: string | null; readonly listener: Listener }>();
  readonly #stopping = new AbortController();
  #lastIdMs = 0;
  #idsOfMs = 0;

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#lanes.build.waiting.length + this.#lanes.repair.waiting.length;
  }

  get paused(): number {
    return this.#paused.size;
  }

  get running(): number {
    return Number(this.#lanes.build.running !== null) + Number(this.#lanes.repair.running !== null);
  }

  /** Queues a run. Throws `busy` beyond {@link waitingRunsMax}, `refused` while draining, `key-used` for a key of another order. */
  add(order: RunOrder, idempotency: Idempotency | null = null): RunResource {
    const { clock, history, tracer } = this.#options;
    if (this.#stopping.signal.aborted)
      throw new CodedError('refused', 'the service is stopping; it takes no more orders');
    const known = idempotency === null ? null : history.runOfKey(idempotency.key, idempotency.fingerprint);
    if (known !== null) return this.get(known);
    const lane = this.#lanes[order.kind];
    if (lane.waiting.length + this.#paused.size >= waitingRunsMax)
      throw new CodedError('busy', `${waitingRunsMax} runs are waiting already`);
    const run = new Run(this.#nextId(), order, {
      clock,
      history,
      tracer,
      onMove: (resource) => this.#tell(resource),
    });
    if (idempotency !== null)
      history.saveKey(idempotency.key, idempotency.fingerprint, run.id, clock.nowMs());
    this.#enqueue(lane, run);
    this.#tell(run.resource);
    return run.resource;
  }

  #enqueue(lane: Lane, run: Run): void {
    // By hand goes before what goes by itself, and otherwise in order.
    const at =
      run.order.trigger === 'operator'
        ? lane.waiting.findIndex((one) => one.order.trigger !== 'operator')
        : -1;
    lane.waiting.splice(at < 0 ? lane.waiting.length : at, 0, run);
    if (lane.waiting.length === 1 && lane.running === null)
      lane.busy = lane.busy.then(() => this.#goThrough(lane, run.order.kind));
  }

  /** Throws `not-found`. */
  get(id: string): RunResource {
    const resource = this.#active(id)?.resource ?? this.#options.history.run(id);
    if (resource !== null) return resource;
    throw new CodedError('not-found', `there is no run ${id}`, { field: 'id', value: id });
  }

  /** Newest first; those under way as they are now. */
  list(filter: RunFilter): RunResource[] {
    return this.#options.history.runs(filter).map((kept) => this.#active(kept.id)?.resource ?? kept);
  }

  changes(id: string, after: number, limit: number): ChangeResource[] {
    this.get(id);
    this.#active(id)?.flush();
    return this.#options.history.changes(id, after, limit);
  }

  /** Cancels a run that has not ended; one that has stays as it is. */
  cancel(id: string): RunResource {
    const run = this.#active(id);
    if (run === undefined) return this.get(id);
    const reason = 'it was cancelled by an operator; running it again continues it';
    run.cancel(reason);
    if (this.#takeOut(run) || this.#paused.delete(id)) this.#end(run, new CodedError('cancelled', reason));
    return run.resource;
  }

  /** Pauses a run that has not ended, and gives it once its work has unwound. */
  async pause(id: string): Promise<RunResource> {
    const run = this.#active(id);
    if (run === undefined || this.#paused.has(id)) return this.get(id);
    if (this.#takeOut(run)) this.#hold(run);
    else {
      run.pause();
      await this.#lanes[run.order.kind].attempt;
    }
    return run.resource;
  }

  /** Queues a paused run again; any other stays as it is. */
  resume(id: string): RunResource {
    const run = this.#paused.get(id);
    if (run === undefined) return this.get(id);
    this.#paused.delete(id);
    run.release();
    this.#enqueue(this.#lanes[run.order.kind], run);
    return run.resource;
  }

  /** Takes a run out of those that wait; false where it is not among them. */
  #takeOut(run: Run): boolean {
    const { waiting } = this.#lanes[run.order.kind];
    const at = waiting.indexOf(run);
    if (at >= 0) waiting.splice(at, 1);
    return at >= 0;
  }

  #hold(run: Run): void {
    this.#paused.set(run.id, run);
    run.hold();
    this.#options.onPause(run);
  }

  /** Calls `listener` whenever a run moves on; returns how to stop. */
  follow(id: string | null, listener: Listener): () => void {
    const entry = { id, listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  get followers(): number {
    return this.#listeners.size;
  }

  /** Settles when nothing waits or runs. */
  async idle(): Promise<void> {
    await Promise.all([this.#lanes.build.busy, this.#lanes.repair.busy]);
  }

  /** Cancels everything and waits until it has ended; takes no more. What was cut is continued by running it again. */
  async stop(): Promise<void> {
    const reason = new CodedError('cancelled', 'the service is stopping; the next start continues it');
    this.#stopping.abort(reason);
    for (const lane of Object.values(this.#lanes)) {
      for (const run of lane.waiting.splice(0)) this.#end(run, reason);
      lane.running?.cancel(reason.message);
    }
    for (const run of this.#paused.values()) this.#end(run, reason);
    this.#paused.clear();
    await this.idle();
  }

  async #goThrough(lane: Lane, kind: RunResource['kind']): Promise<void> {
    for (let run = lane.waiting.shift(); run !== undefined; run = lane.waiting.shift()) {
      lane.running = run;
      lane.attempt = this.#attempt(run, kind).finally(() => {
        lane.running = null;
      });
      await lane.attempt;
    }
  }

  async #attempt(run: Run, kind: RunResource['kind']): Promise<void> {
    const { work, onStart } = this.#options;
    onStart(run);
    run.start();
    try {
      await work[kind](run, AbortSignal.any([run.signal, this.#stopping.signal]));
      this.#end(run, null);
    } catch (error) {
      if (run.pausing && !this.#stopping.signal.aborted) this.#hold(run);
      else this.#end(run, error);
    }
  }

  #end(run: Run, error: unknown): void {
    if (error !== null) run.fail(error);
    this.#options.onEnd(run);
  }

  #active(id: string): Run | undefined {
    const { build, repair } = this.#lanes;
    return (
      this.#paused.get(id) ??
      [build.running, repair.running, ...build.waiting, ...repair.waiting].find((run) => run?.id === id) ??
      undefined
    );
  }

  #tell(resource: RunResource): void {
    for (const { id, listener } of this.#listeners) if (id === null || id === resource.id) listener(resource);
  }

  // Ordered by time, so that newest first is by id; several of one millisecond by their number in it.
  #nextId(): string {
    const now = Math.max(this.#lastIdMs, this.#options.clock.nowMs());
    this.#idsOfMs = now === this.#lastIdMs ? this.#idsOfMs + 1 : 0;
    this.#lastIdMs = now;
    const time = now.toString(16).padStart(12, '0');
    return `${time}-${this.#idsOfMs.toString(16).padStart(4, '0')}-${randomUUID().slice(0, 8)}`;
  }
}

function newLane(): Lane {
  return { waiting: [], running: null, attempt: Promise.resolve(), busy: Promise.resolve() };
}
