/** What the admin endpoint can ask of a running service, put together from its parts. */
import type {
  DifferencesFilter,
  Operations,
  OrderContext,
  PropertyFilter,
  RequestEvent,
  RunFilter,
} from '../admin/operations.ts';
import type { BuildOrder, RepairOrder } from '../admin/orders.ts';
import type {
  ChangeResource,
  GroupResource,
  PeerResource,
  PropertyResource,
  RunResource,
  ShardResource,
  StatusResource,
} from '../admin/resources.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { type HeldShards, holdsShard } from '../peer/held-shards.ts';
import type { PropertyStore } from '../property-store/property-store.ts';
import { Agreements, visitedAgreement } from './agreement.ts';
import { type Clusters, isCluster } from './clusters.ts';
import { type DifferenceLine, findDifferences } from './differences.ts';
import type { Events } from './events.ts';
import { refreshGauges } from './gauges.ts';
import type { History } from './history.ts';
import type { KeptPlans } from './kept-plans.ts';
import { noPeer, type OpenMembers } from './members.ts';
import type { PeerWatch } from './peer-watch.ts';
import type { PropertyReads } from './property-reads.ts';
import { badOrder, checkPlanOrder, orderedGroup } from './repair-order.ts';
import type { Runs } from './runs.ts';
import type { ScheduleLoop } from './schedule-loop.ts';
import { isoTime, shardResourceOf } from './shard-resources.ts';
import type { ShardWatch } from './shard-watch.ts';
import { warningsOf } from './warnings.ts';

export interface OperationsParts {
  readonly name: string;
  readonly version: string;
  readonly root: string;
  readonly held: HeldShards;
  readonly clock: Clock;
  readonly startedMs: number;
  readonly runs: Runs;
  readonly history: History;
  readonly loop: ScheduleLoop;
  readonly shards: ShardWatch;
  readonly peers: PeerWatch;
  readonly clusters: Clusters;
  readonly plans: KeptPlans;
  readonly openMembers: OpenMembers;
  readonly reads: PropertyReads;
  readonly store: PropertyStore;
  readonly events: Events;
  /** Null when ready. */
  readonly notReady: () => string | null;
  readonly listen: () => string | null;
}

export class ServiceOperations implements Operations {
  readonly #parts: OperationsParts;
  readonly #agreements = new Agreements();

  constructor(parts: OperationsParts) {
    this.#parts = parts;
  }

  notReady(): string | null {
    return this.#parts.notReady();
  }

  async metrics(): Promise<string> {
    const { events, history, root, runs, clock } = this.#parts;
    const { metrics } = events;
    await refreshGauges(await this.status(), {
      metrics,
      history,
      root,
      followers: runs.followers,
      sending: this.#parts.store.waiting,
      nowMs: clock.nowMs(),
    });
    return await metrics.registry.metrics();
  }

  async status(): Promise<StatusResource> {
    const { name, version, startedMs, runs, loop, clock } = this.#parts;
    const shards = await this.shards();
    const peers = this.peers();
    const nowMs = clock.nowMs();
    const reason = this.notReady();
    const lateShards = loop.schedule.lateShards(nowMs);
    return {
      ...{ name, version, listen: this.#parts.listen(), ready: reason === null, reason, lateShards },
      paused: loop.schedule.paused,
      windowUntil: isoTime(loop.schedule.quietUntilMs(nowMs)),
      startedAt: new Date(startedMs).toISOString(),
      runsWaiting: runs.waiting,
      runsRunning: runs.running,
      runsPaused: runs.paused,
      warnings: warningsOf(shards, peers, {
        late: lateShards,
        listError: this.#parts.peers.listError,
      }),
      shards,
      peers,
    };
  }

  async groups(): Promise<GroupResource[]> {
    await this.#parts.shards.freshen(new AbortController().signal);
    const groups = new Map<string, GroupResource>();
    for (const { group, settings } of this.#parts.shards.shards) groups.set(group, { group, ...settings });
    return [...groups.values()].map(({ group, shards, slots, spelling }) => ({
      group,
      shards,
      slots,
      spelling,
    }));
  }

  async shards(): Promise<ShardResource[]> {
    const { shards, peers, held } = this.#parts;
    await shards.freshen(new AbortController().signal);
    const offered = peers
      .offered()
      .filter(({ group, shard }) => holdsShard(held, group, shard) && !shards.find(group, shard));
    return [...shards.shards, ...offered, ...this.#parts.clusters.shards].map(({ group, shard }) =>
      this.#shard(group, shard),
    );
  }

  async shard(group: string, shard: number): Promise<ShardResource> {
    const found = (await this.shards()).find((one) => one.group === group && one.shard === shard);
    if (found !== undefined) return found;
    throw new CodedError('not-found', `there is no shard ${shard} of group ${group} here`, { group, shard });
  }

  #shard(group: string, shard: number): ShardResource {
    const { shards, peers, loop, clock, listen, root } = this.#parts;
    const own = shards.find(group, shard);
    const nowMs = clock.nowMs();
    return shardResourceOf({
      group,
      shard,
      own,
      agreement: isCluster(group)
        ? visitedAgreement(loop.visit(group, shard))
        : this.#agreements.look(group, shard, own, listen() ?? root, peers.trees(group, shard), nowMs),
      outlook: loop.schedule.outlook(group, shard, nowMs),
      visit: loop.visit(group, shard),
    });
  }

  peers(): PeerResource[] {
    return this.#parts.peers.peers.map(
      ({ place, name, reachable, lastSeenMs, latencyMs, listing, error }) => ({
        ...{ place, name, kind: 'tallystick', reachable },
        latencyMs: latencyMs === null ? null : Math.round(latencyMs * 10) / 10,
        lastSeenAt: isoTime(lastSeenMs),
        shards: listing?.shards.length ?? null,
        error: error && { code: error.code, message: error.message },
      }),
    );
  }

  async startBuild(order: BuildOrder, { idempotency, traceparent }: OrderContext): Promise<RunResource> {
    this.#checkPlace(order.group, order.shard);
    return this.#parts.runs.add({ kind: 'build', trigger: 'operator', ...order, traceparent }, idempotency);
  }

  async startRepair(order: RepairOrder, { idempotency, traceparent }: OrderContext): Promise<RunResource> {
    checkPlanOrder(order);
    const by = { kind: 'repair', trigger: 'operator', traceparent } as const;
    if (order.plan !== null) {
      const { group, shard, name, entity, peers } = this.run(order.plan);
      await this.#parts.plans.find(order.plan);
      return this.#parts.runs.add({ ...order, ...by, group, shard, name, entity, peers }, idempotency);
    }
    const group = orderedGroup(order);
    this.#checkPlace(group, order.shard);
    return this.#parts.runs.add({ ...order, ...by, group }, idempotency);
  }

  // A mistyped group is told at once; one that only a peer has is no mistake.
  #checkPlace(group: string | null, shard: number | null): void {
    if (group === null) return;
    // A cluster that the settings do not name is told here.
    if (isCluster(group)) {
      this.#parts.clusters.mayRepair(group);
      return;
    }
    const known = [...this.#parts.shards.shards, ...this.#parts.peers.offered()].filter(
      (one) => one.group === group,
    );
    if (known.some((one) => shard === null || one.shard === shard)) return;
    const what = known.length === 0 ? `group ${group}` : `shard ${shard} of group ${group}`;
    throw new CodedError('not-found', `neither this replica nor a peer has ${what}`, {
      field: 'group',
      value: group,
      shard,
    });
  }

  runs(filter: RunFilter): RunResource[] {
    return this.#parts.runs.list(filter);
  }

  run(id: string): RunResource {
    return this.#parts.runs.get(id);
  }

  changes(id: string, after: number, limit: number): ChangeResource[] {
    return this.#parts.runs.changes(id, after, limit);
  }

  follow(id: string | null, listener: (run: RunResource) => void): () => void {
    return this.#parts.runs.follow(id, listener);
  }

  cancel(id: string): RunResource {
    return this.#parts.runs.cancel(id);
  }

  pauseRun(id: string): Promise<RunResource> {
    return this.#parts.runs.pause(id);
  }

  resumeRun(id: string): RunResource {
    return this.#parts.runs.resume(id);
  }

  setPaused(paused: boolean): void {
    this.#parts.loop.setPaused(paused);
  }

  property(group: string, name: string, id: string, deleted: boolean): Promise<PropertyResource | null> {
    return this.#parts.reads.get(group, name, id, deleted);
  }

  query(filter: PropertyFilter): Promise<PropertyResource[]> {
    return this.#parts.reads.query(filter);
  }

  search(
    text: string,
    group: string | null,
    limit: number,
    signal: AbortSignal,
  ): AsyncIterable<PropertyResource> {
    return this.#parts.reads.search(text, group, limit, signal);
  }

  async *differences(
    { group, shard, peers: chosen, limit }: DifferencesFilter,
    signal: AbortSignal,
  ): AsyncGenerator<DifferenceLine> {
    const { clock, openMembers } = this.#parts;
    if (shard !== undefined && group === undefined) throw badOrder('group', null, 'a shard needs a group');
    this.#checkPlace(group ?? null, shard ?? null);
    using opened = openMembers({ group: group ?? null, peers: chosen, runId: null, startCall: null });
    if (opened.members.length < 2) throw new CodedError('bad-argument', noPeer);
    const narrowing = isCluster(group ?? null) ? {} : { group, shard };
    yield* findDifferences(opened.members, { narrowing, limit, clock, signal });
  }

  onRequest(event: RequestEvent): void {
    this.#parts.events.requested(event);
  }
}
