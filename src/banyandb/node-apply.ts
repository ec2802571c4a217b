/**
 * A session of writes into a node. Each batch is fetched from the node right before, decided, and what may be pushed is
 * pushed; what the node cannot take, or what no push mends, is held back with the reason. Live properties that are
 * replaced count by the fuse's rule.
 */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { replacementsAllowed } from '../property/replacement-allowance.ts';
import { joinEntity } from '../property/entity.ts';
import type { PrepareTarget } from '../property-index/prepare-version.ts';
import type { ApplyOptions, ApplyResult, ApplySession, StoredVersion } from '../shard-copy/shard-copy.ts';
import { type Candidate, checkCandidate, decidePush, type PushRules } from './decide-push.ts';
import { fetchValues } from './fetch-values.ts';
import type { NodeTree } from './node-tree.ts';
import { nodeSpelling } from './node-version.ts';
import { PushPace } from './push-pace.ts';
import type { Push } from './push-stream.ts';
import { PushStreams } from './push-streams.ts';
import { PushWidth } from './push-width.ts';
import type { NodePlace } from './repair-stream.ts';

export interface NodeApplyOptions extends ApplyOptions {
  /** The node's tree as it was last read. */
  readonly known: NodeTree | null;
  readonly clock: Clock;
  /** 0 for no limit. */
  readonly pushesPerSecond: number;
  /** Nanoseconds: {@link PushRules.oldestBroughtNs} as of now. */
  readonly oldestBroughtNs: () => bigint | null;
}

/** One version of a batch with its result, once there is one. */
interface Pending {
  readonly candidate: Candidate;
  result: ApplyResult | null;
}

export class NodeApplySession implements ApplySession {
  readonly #place: NodePlace;
  readonly #options: NodeApplyOptions;
  readonly #target: PrepareTarget;
  readonly #pushes: PushStreams;
  readonly #replaceable: number;
  #replaced = 0;
  /** An entity that the node is known to have; null before the first. */
  #has: string | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(place: NodePlace, options: NodeApplyOptions) {
    const { known, clock, pushesPerSecond, settings, confirmed, expected = 0, signal } = options;
    this.#place = place;
    this.#options = options;
    const { group, shard } = place;
    this.#target = { group, shard, shards: settings.shards, spelling: nodeSpelling };
    const properties = known?.leaves ?? 0;
    const pace = new PushPace(clock, pushesPerSecond);
    const width = new PushWidth({ expected, properties, paced: pushesPerSecond > 0 });
    this.#pushes = new PushStreams(place, { known, pace, clock, width, signal });
    // Without a tree nothing is known of its size; then the coordinator's count, made of leaves, stands alone.
    const allowed = known === null ? Infinity : replacementsAllowed(known.leaves);
    this.#replaceable = Math.max(allowed, confirmed ?? 0);
  }

  apply(batch: readonly StoredVersion[], signal?: AbortSignal): Promise<readonly ApplyResult[]> {
    // Batches take effect in call order, each after the one before has ended, however it ended.
    const run = this.#last.then(() => this.#applyBatch(batch, signal));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#last;
    await this.#pushes[Symbol.asyncDispose]();
  }

  async #applyBatch(
    batch: readonly StoredVersion[],
    signal: AbortSignal | undefined,
  ): Promise<ApplyResult[]> {
    if (this.#disposed && batch.length > 0) throw new CodedError('cancelled', 'the apply session is closed');
    throwIfAborted(signal);
    const results = batch.map((version) => this.#check(version));
    // An entity stands once in what is fetched and pushed together, so that what was fetched is still so.
    let together = new Map<string, Pending>();
    for (const one of results) {
      if (one.result !== null) continue;
      const key = one.candidate.version.key.toString('latin1');
      if (together.has(key)) {
        await this.#applyTogether([...together.values()], signal);
        together = new Map();
      }
      together.set(key, one);
    }
    await this.#applyTogether([...together.values()], signal);
    return results.map(({ result }) => result ?? { result: 'kept' });
  }

  /** Refuses what is no sound version, or nothing that the node can take. */
  #check(version: StoredVersion): Pending {
    const checked = checkCandidate(version, this.#target);
    if ('property' in checked) return { candidate: checked, result: null };
    const candidate = unreadable(version);
    return 'unsound' in checked
      ? { candidate, result: { result: 'refused', reason: checked.unsound } }
      : { candidate, result: { result: 'refused', reason: checked.heldBack, heldBack: true } };
  }

  async #applyTogether(pending: readonly Pending[], signal: AbortSignal | undefined): Promise<void> {
    if (pending.length === 0) return;
    throwIfAborted(signal);
    const { known: tree, oldestBroughtNs } = this.#options;
    const rules: PushRules = { oldestBroughtNs: oldestBroughtNs() };
    const keys = pending.map(({ candidate }) => candidate.version.key);
    const pushes: Push[] = [];
    const pushed: Pending[] = [];
    let has: string | null = null;
    let at = 0;
    for await (const { version: own } of fetchValues(this.#place, keys, { known: tree, signal })) {
      const one = pending[at++];
      if (one === undefined) break;
      const decided = decidePush(own, one.candidate, rules);
      if (own !== null && decided.push !== 'push') has = joinEntity(one.candidate.property);
      if (decided.push === 'kept') one.result = { result: 'kept' };
      else if (decided.push === 'hold back')
        one.result = { result: 'refused', reason: decided.reason, heldBack: true };
      else if (decided.replacesLive && this.#replaced >= this.#replaceable) one.result = this.#withheld();
      else {
        if (decided.replacesLive) this.#replaced++;
        pushes.push({ ...one.candidate, settle: decided.settle });
        pushed.push(one);
      }
    }
    throwIfAborted(signal);
    const known = [has, this.#has].find(
      (entity) => entity !== null && !pushes.some(({ property }) => joinEntity(property) === entity),
    );
    const results = await this.#pushes.push(pushes, known ?? null);
    const last = pushed.findLast((_, position) => results[position]?.result === 'applied');
    this.#has = last === undefined ? (has ?? this.#has) : joinEntity(last.candidate.property);
    for (const [position, one] of pushed.entries()) one.result = results[position] ?? null;
  }

  #withheld(): ApplyResult {
    const reason = `fuse: this run may replace ${this.#replaceable} live properties here; confirm a greater number to go on`;
    return { result: 'refused', reason };
  }
}

const noProperty: Candidate['property'] = {
  group: '',
  name: '',
  id: '',
  metadataId: 0,
  createRevision: 0n,
  modRevision: 0n,
  tags: [],
  updatedAt: null,
};

function unreadable(version: StoredVersion): Candidate {
  return { property: noProperty, version };
}
