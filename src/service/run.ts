/** One build or repair as a resource that moves on: waiting, running, ended. Knows nothing of how the work is done. */
import type { ChangeResource, RunResource } from '../admin/resources.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { RepairChange, RepairReport } from '../repair/report.ts';
import { versionToJson } from '../repair/plan.ts';
import { changesKeptMax, type History } from './history.ts';

/** What a run is asked to do; absent members are null or false. */
export type RunOrder = Pick<RunResource, 'kind' | 'trigger'> &
  Partial<Pick<RunResource, 'group' | 'shard' | 'name' | 'entity' | 'peers' | 'dryRun' | 'confirm'>> & {
    readonly force?: boolean;
  };

export type RunEnd = Pick<RunResource, 'outcome' | 'reason'> &
  Partial<Pick<RunResource, 'shards' | 'copies' | 'error' | 'counts'>>;

/** Changes gathered before they are written to the history. */
const changeBatch = 500;

/** Followers are told of progress at most this often. */
const progressEveryMs = 200;

/** Shards listed in a run; one over more tells their sum only. */
const shardsListedMax = 1_000;

export const noRunCounts: RunResource['counts'] = {
  differing: 0,
  changed: 0,
  kept: 0,
  failed: 0,
  shipped: 0,
  bytes: 0,
};

export class Run {
  readonly order: RunOrder;
  readonly #clock: Clock;
  readonly #history: History;
  readonly #onMove: (run: RunResource) => void;
  readonly #cancel = new AbortController();
  #resource: RunResource;
  #pending: ChangeResource[] = [];
  #toldAtMs = 0;
  #phaseStartMs = 0;

  constructor(
    id: string,
    order: RunOrder,
    parts: { clock: Clock; history: History; onMove: (run: RunResource) => void },
  ) {
    this.order = order;
    this.#clock = parts.clock;
    this.#history = parts.history;
    this.#onMove = parts.onMove;
    const { kind, trigger, group = null, shard = null, name = null, entity = null } = order;
    const { peers = null, dryRun = false, confirm = null } = order;
    this.#resource = {
      ...{ id, kind, trigger, group, shard, name, entity, peers, dryRun, confirm },
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

  /** Aborted when somebody cancels the run. */
  get signal(): AbortSignal {
    return this.#cancel.signal;
  }

  cancel(reason: string): void {
    this.#cancel.abort(new CodedError('cancelled', reason));
  }

  start(): void {
    this.#move({ state: 'running', waitReason: null, startedAt: this.#now() });
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
    this.#flush();
    const shards = (end.shards ?? []).slice(0, shardsListedMax);
    this.#move({
      state: 'ended',
      waitReason: null,
      error: null,
      etaSeconds: null,
      endedAt: this.#now(),
      ...end,
      shards,
    });
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

/** Counts of a report as a run has them. */
export function countsOf({
  differing,
  changed,
  kept,
  failed,
  shipped,
  bytes,
}: RepairReport): RunResource['counts'] {
  return { differing, changed, kept, failed, shipped, bytes };
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
