/**
 * One build or repair as a resource that moves on: waiting, running, perhaps paused and waiting again, ended. Knows
 * nothing of how the work is done. A paused run holds nothing: its work was cut as by a cancel, and begins again
 * when it is resumed; what was mended before stays mended.
 */
import type { ChangeResource, RunResource } from '../admin/resources.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { Tracer } from '../lib/trace.ts';
import type { RepairChange } from '../repair/report.ts';
import { versionToJson } from '../repair/plan.ts';
import { changesKeptMax, type History } from './history.ts';
import { addCounts, noRunCounts } from './run-counts.ts';
import { RunTrace } from './run-trace.ts';

/** What a run is asked to do; absent members are null or false. */
export type RunOrder = Pick<RunResource, 'kind' | 'trigger'> &
  Partial<
    Pick<RunResource, 'group' | 'shard' | 'name' | 'entity' | 'peers' | 'dryRun' | 'confirm' | 'plan'>
  > & {
    readonly force?: boolean;
    readonly keepPlan?: boolean;
    /** Of the caller's span, which the run's trace goes on with. */
    readonly traceparent?: string | null;
  };

export type RunEnd = Pick<RunResource, 'outcome' | 'reason'> &
  Partial<Pick<RunResource, 'shards' | 'copies' | 'error' | 'counts' | 'planUntil'>>;

/** Changes gathered before they are written to the history. */
const changeBatch = 500;

/** Followers are told of progress at most this often. */
const progressEveryMs = 200;

/** Shards listed in a run; one over more tells their sum only. */
const shardsListedMax = 1_000;

export class Run {
  readonly order: RunOrder;
  readonly trace: RunTrace;
  readonly #clock: Clock;
  readonly #history: History;
  readonly #onMove: (run: RunResource) => void;
  readonly #cancel = new AbortController();
  #pause = new AbortController();
  #resource: RunResource;
  /** What came of attempts that were paused. */
  #earlier = noRunCounts;
  #pending: ChangeResource[] = [];
  #toldAtMs = 0;
  #phaseStartMs = 0;
  #startMs = 0;
  #tookMs = 0;

  constructor(
    id: string,
    order: RunOrder,
    parts: { clock: Clock; history: History; tracer: Tracer | null; onMove: (run: RunResource) => void },
  ) {
    this.order = order;
    this.trace = new RunTrace(parts.tracer, order.traceparent ?? null);
    this.#clock = parts.clock;
    this.#history = parts.history;
    this.#onMove = parts.onMove;
    const { kind, trigger, group = null, shard = null, name = null, entity = null } = order;
    const { peers = null, dryRun = false, confirm = null, plan = null } = order;
    this.#resource = {
      ...{ id, kind, trigger, group, shard, name, entity, peers, dryRun, confirm, plan },
      pushRate: null,
      planUntil: null,
      state: 'waiting',
      waitReason: 'turn',
      outcome: null,
      reason: null,
      error: null,
      createdAt: new Date(parts.clock.nowMs()).toISOString(),
      startedAt: null,
      endedAt: null,
      progress: null,
      etaSeconds: null,
      counts: noRunCounts,
      changes: 0,
      changesDropped: 0,
      shards: [],
      copies: [],
    };
    parts.history.save(this.#resource);
  }

  get id(): string {
    return this.#resource.id;
  }

  get resource(): RunResource {
    return this.#resource;
  }

  /** Aborted when somebody cancels or pauses the run. */
  get signal(): AbortSignal {
    return AbortSignal.any([this.#cancel.signal, this.#pause.signal]);
  }

  /** Time for which it was running. */
  get tookMs(): number {
    return this.#tookMs;
  }

  cancel(reason: string): void {
    this.#cancel.abort(new CodedError('cancelled', reason));
  }

  /** Cuts the work; the run is {@link hold held} once it has unwound. */
  pause(): void {
    this.#pause.abort(new CodedError('cancelled', 'it was paused by an operator'));
  }

  /** Whether its work was cut to be gone on with later. */
  get pausing(): boolean {
    return this.#pause.signal.aborted && !this.#cancel.signal.aborted;
  }

  /** Waiting or running -> paused. */
  hold(): void {
    this.#stopTime();
    this.trace.endPhase();
    const { counts, progress, dryRun, changes } = this.#resource;
    const { propertiesDone = 0, bytes = 0 } = progress?.phase === 'carry out' ? progress : {};
    if (dryRun) {
      // It will say all of it again.
      this.#pending = [];
      if (changes > 0) this.#history.dropChanges(this.id);
      this.#earlier = noRunCounts;
    } else {
      this.#flush();
      const sent = counts.changed - this.#earlier.changed;
      const attempt = { ...noRunCounts, differing: propertiesDone, shipped: sent, bytes };
      this.#earlier = addCounts(counts, attempt);
    }
    this.#move({
      state: 'paused',
      waitReason: 'paused',
      etaSeconds: null,
      counts: this.#earlier,
      ...(dryRun && { changes: 0, changesDropped: 0 }),
    });
  }

  /** Paused -> waiting. */
  release(): void {
    this.#pause = new AbortController();
    this.#move({ state: 'waiting', waitReason: 'turn', progress: null });
  }

  /** Waiting -> running. */
  start(): void {
    this.#startMs = this.#clock.monotonicMs();
    this.trace.start(this.#resource);
    this.#move({ state: 'running', waitReason: null, startedAt: this.#resource.startedAt ?? this.#now() });
  }

  /** Tells the limit of its pushes to BanyanDB nodes, once it has such members. */
  limitPushes(pushRate: number): void {
    this.#resource = { ...this.#resource, pushRate };
  }

  /** Tells how far it is; written nowhere, told to followers now and then. */
  progress(phase: string, figures: Partial<NonNullable<RunResource['progress']>>): void {
    const now = this.#clock.monotonicMs();
    const { progress } = this.#resource;
    if (progress?.phase !== phase) this.#phaseStartMs = now;
    const none = { slotsDone: 0, slotsTotal: 0, propertiesDone: 0, propertiesTotal: 0, bytes: 0 };
    const next = { phase, ...none, ...figures };
    this.#resource = {
      ...this.#resource,
      progress: next,
      etaSeconds: etaSeconds(next, now - this.#phaseStartMs),
    };
    if (now - this.#toldAtMs < progressEveryMs && progress?.phase === phase) return;
    this.#toldAtMs = now;
    this.#onMove(this.#resource);
  }

  /** Keeps a change; the counts follow it, so that they are right while the run goes on. */
  change(change: RepairChange): void {
    const { counts, changes, changesDropped } = this.#resource;
    const { result } = change;
    const counter = result === 'held back' ? 'failed' : result;
    const counted = counter === 'planned' ? counts : { ...counts, [counter]: counts[counter] + 1 };
    if (changes >= changesKeptMax) {
      this.#resource = { ...this.#resource, counts: counted, changesDropped: changesDropped + 1 };
      return;
    }
    this.#pending.push(changeJson(change));
    this.#resource = { ...this.#resource, counts: counted, changes: changes + 1 };
    if (this.#pending.length >= changeBatch) this.#flush();
  }

  /** Ends it; what it counted so far stays where `end` has no counts. */
  end(end: RunEnd): void {
    this.#stopTime();
    this.#flush();
    const shards = (end.shards ?? []).slice(0, shardsListedMax);
    this.#move({
      state: 'ended',
      waitReason: null,
      error: null,
      etaSeconds: null,
      endedAt: this.#now(),
      ...end,
      ...(end.counts && { counts: addCounts(this.#earlier, end.counts) }),
      shards,
    });
    this.trace.end(this.#resource);
  }

  /** Ends it with what was thrown. */
  fail(thrown: unknown): void {
    const error = CodedError.from(this.#cancel.signal.aborted ? this.#cancel.signal.reason : thrown);
    const { code, message } = error;
    const outcome = code === 'cancelled' ? 'cancelled' : 'failed';
    this.end({ outcome, reason: message, error: errorJson(error) });
  }

  /** Writes changes that wait, so that a page read now has them. */
  flush(): void {
    this.#flush();
  }

  #flush(): void {
    const changes = this.#pending;
    this.#pending = [];
    if (changes.length > 0)
      this.#history.addChanges(this.id, this.#resource.changes - changes.length + 1, changes);
  }

  #move(part: Partial<RunResource>): void {
    this.#resource = { ...this.#resource, ...part };
    this.#history.save(this.#resource);
    this.#onMove(this.#resource);
  }

  #stopTime(): void {
    if (this.#resource.state === 'running') this.#tookMs += this.#clock.monotonicMs() - this.#startMs;
  }

  #now(): string {
    return new Date(this.#clock.nowMs()).toISOString();
  }
}

/** An error as a run tells it: with what its details say in plain values, such as the count of a fuse. */
export function errorJson(error: CodedError): NonNullable<RunResource['error']> {
  const { code, message, details } = error;
  const plain = Object.entries(details).filter(([, value]) =>
    ['string', 'number', 'boolean'].includes(typeof value),
  );
  return { ...Object.fromEntries(plain), code, message };
}

function etaSeconds(progress: NonNullable<RunResource['progress']>, elapsedMs: number): number | null {
  const { slotsDone, slotsTotal, propertiesDone, propertiesTotal } = progress;
  const share =
    propertiesDone > 0 ? propertiesDone / propertiesTotal : slotsDone > 0 ? slotsDone / slotsTotal : 0;
  return share > 0 && share <= 1 ? Math.round((elapsedMs / share) * (1 - share)) / 1_000 : null;
}

function changeJson(change: RepairChange): ChangeResource {
  const { group, shard, entity, place, result, before, after, reason } = change;
  return {
    ...{ group, shard, entity, place, result, reason },
    before: before && versionToJson(before),
    after: after && versionToJson(after),
  };
}
