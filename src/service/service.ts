/**
 * A replica as a running service: offers the shards of its data root to its peers, keeps their trees fresh,
 * repairs them in rounds, and answers its operator. The one place where its parts are put together; starts them
 * in order and stops them in reverse.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { Log, LogLevel } from '../lib/log.ts';
import { packageVersion } from '../lib/package-version.ts';
import type { HeldShards } from '../peer/held-shards.ts';
import { Checkpointer } from '../property-index/checkpointer.ts';
import { markServed } from '../property-index/served-mark.ts';
import { declareGroups } from '../property-store/groups.ts';
import { PropertyStore } from '../property-store/property-store.ts';
import { ApplyThread } from '../shard-copy/apply-thread.ts';
import { changedOptions, reloadedSettings, type Settings } from '../settings/settings.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { Clusters, isCluster } from './clusters.ts';
import { createRuns } from './create-runs.ts';
import { Doors } from './doors.ts';
import { Events } from './events.ts';
import { followSchedule } from './follow-schedule.ts';
import { History } from './history.ts';
import { KeptPlans } from './kept-plans.ts';
import { LocalMember } from './local-member.ts';
import { LocalProvider } from './local-provider.ts';
import { type OpenMembers, Peers } from './members.ts';
import { Metrics } from './metrics.ts';
import { openTracer } from './open-tracer.ts';
import { PeerWatch } from './peer-watch.ts';
import { PropertyReads } from './property-reads.ts';
import type { Runs } from './runs.ts';
import { ScheduleLoop } from './schedule-loop.ts';
import { type OperationsParts, ServiceOperations } from './service-operations.ts';
import { ShardWatch } from './shard-watch.ts';
import { takeDataRoot } from './start-checks.ts';

export interface ServiceOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  /** A log of another level, for when that is reloaded. */
  readonly logAt?: (level: LogLevel) => Log;
}

export class Service implements AsyncDisposable {
  #settings: Settings;
  readonly #clock: Clock;
  readonly #logAt: ((level: LogLevel) => Log) | null;
  readonly #held: HeldShards;
  readonly #stopping = new AbortController();
  /** Closed in reverse order. */
  readonly #parts = new AsyncDisposableStack();
  readonly #events: Events;
  readonly #doors: Doors;
  readonly #checkpointer: Checkpointer;
  readonly #peers: Peers;
  readonly #builder: TreeBuilder;
  readonly #provider: LocalProvider;
  #loop: ScheduleLoop | null = null;
  #notReady: string | null = 'it is starting';
  #stopReason = 'it was told to stop';
  #starting: Promise<void> = Promise.resolve();
  #drained: Promise<void> | null = null;

  constructor({ settings, clock, log, logAt }: ServiceOptions) {
    this.#settings = settings;
    this.#clock = clock;
    this.#logAt = logAt ?? null;
    this.#held = settings.shards === 'all' ? null : settings.shards;
    const events = new Events(log, new Metrics());
    this.#events = events;
    const checkpointer = new Checkpointer((path, error) =>
      events.problem('checkpoint', error, `a checkpoint of ${path} failed`),
    );
    this.#builder = new TreeBuilder(clock);
    const applyThread = new ApplyThread(checkpointer, clock);
    this.#checkpointer = this.#parts.use(checkpointer);
    this.#parts.use(applyThread);
    this.#doors = new Doors({ settings, clock, events });
    this.#parts.use(this.#builder);
    const instance = randomBytes(8).readBigUInt64LE();
    this.#peers = new Peers(settings, {
      ...{ clock, instance },
      onLookup: (error, before) => events.lookedUp(error, before),
      onProblem: (error) => events.problem('nodes', error, 'the nodes file cannot be used'),
    });
    this.#provider = new LocalProvider({
      ...{ name: settings.name, instance, root: settings.root, held: this.#held, clock },
      builder: this.#builder,
      applyThread,
      onDamage: this.#onDamage,
    });
  }

  /** Where peers reach it, once started. */
  get address(): string | null {
    return this.#doors.peers;
  }

  /** Where the admin endpoint is, once started; null without one. */
  get adminAddress(): string | null {
    return this.#doors.admin;
  }

  /** Where applications reach PropertyService, once started; null without it. */
  get propertyAddress(): string | null {
    return this.#doors.applications;
  }

  /**
   * Checks the data root, builds stale trees, listens, and begins to follow the schedule. Throws `bad-settings`,
   * `io`, `busy`, `newer-format`; `cancelled` when stopped meanwhile. Dispose it also when this throws.
   */
  start(): Promise<void> {
    this.#starting = this.#start();
    this.#starting.catch(() => {
      this.#stopReason = 'it could not start';
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { root, groups } = this.#settings;
    const { signal } = this.#stopping;
    this.#parts.use(await takeDataRoot(root, this.#clock, this.#events));
    await markServed(root, this.#provider.instance);
    await declareGroups(root, groups);
    await this.#doors.loadTokens(this.#settings);
    const history = this.#parts.use(
      History.open(join(root, 'history.db'), (path, error) =>
        this.#events.problem('history', error, `${path} is in trouble; what it held may be lost`),
      ),
    );
    this.#events.interrupted(history.endInterrupted(this.#clock.nowMs()));
    const tracer = await openTracer(this.#settings, this.#clock, this.#events);
    this.#events.tracer = this.#parts.use(tracer);
    const shards = new ShardWatch({ root, held: this.#held, clock: this.#clock, onDamage: this.#onDamage });
    const peers = this.#parts.use(new PeerWatch(this.#peers, this.#clock));
    const clusters = new Clusters(this.#settings, this.#clock);
    const plans = new KeptPlans(root, this.#clock);
    const looked = { held: this.#held, history, shards, peers, clusters, plans };
    const loop = new ScheduleLoop({ ...this.#common(), ...looked });
    const openMembers: OpenMembers = ({ group, ...chosen }) =>
      isCluster(group)
        ? clusters.open(group)
        : this.#peers.open(new LocalMember(this.#provider, this.address ?? root), chosen);
    const runs = createRuns({
      ...{ clock: this.#clock, history, tracer, loop, shards, events: this.#events },
      ...{ builder: this.#builder, onDamage: this.#onDamage },
      ...{ clusters, plans, openMembers },
      settings: () => this.#settings,
    });
    this.#loop = loop;
    this.#parts.defer(() => runs.stop());
    signal.addEventListener('abort', () => void runs.stop(), { once: true });
    const store = this.#parts.use(this.#store(peers));
    const parts = { history, loop, shards, peers, runs, clusters, plans, openMembers, store };
    const operations = this.#operations(parts);
    this.#parts.use(this.#doors);
    await this.#doors.openAdmin(operations, store);
    await this.#buildStale(runs, shards);
    await loop.look(signal);
    await this.#doors.openPeers(this.#provider);
    await this.#doors.openApplications(store);
    this.#peers.ownPlace = this.address;
    this.#notReady = null;
    const { address, adminAddress, propertyAddress } = this;
    this.#events.serving({ listen: address, admin: adminAddress, property: propertyAddress, root });
    const following = followSchedule({
      ...{ loop, runs, peers, operations, events: this.#events, signal },
      intervalMs: () => this.#settings.peerInterval,
    });
    this.#parts.defer(() => following);
    signal.throwIfAborted();
  }

  /** Puts in force what can be reloaded of `next`; what takes a restart is said in the log. */
  async reload(next: Settings): Promise<void> {
    const changed = changedOptions(this.#settings, next);
    const settings = reloadedSettings(this.#settings, next);
    await this.#doors.loadTokens(settings);
    this.#settings = settings;
    this.#peers.reconfigure(settings);
    this.#loop?.reconfigure(settings);
    if (this.#logAt !== null) this.#events.useLog(this.#logAt(settings.log.level));
    this.#events.reloaded(changed);
  }

  /** Tells that settings which were to be reloaded are wrong. */
  reloadFailed(error: CodedError): void {
    this.#events.reloadFailed(error);
  }

  /**
   * Takes no more work, cuts what runs after the batch under way, and closes everything. What was cut is
   * continued by the next start.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#drained ??= this.#drain();
    await this.#drained;
  }

  async #drain(): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    this.#notReady = 'it is stopping';
    this.#events.draining(this.#stopReason);
    this.#stopping.abort(new CodedError('cancelled', 'the service is stopping'));
    // What the start is about to open is closed too; why it ended is told by who started it.
    await this.#starting.catch(() => undefined);
    await this.#parts.disposeAsync();
    this.#events.stopped(this.#clock.monotonicMs() - startMs);
  }

  #common() {
    return { settings: this.#settings, clock: this.#clock, events: this.#events };
  }

  readonly #onDamage = (path: string, error: CodedError): void => {
    this.#events.problem('tree', error, `${path} is damaged; it was set aside or passed over`);
  };

  #store(replicas: PeerWatch): PropertyStore {
    return new PropertyStore({
      ...{ root: this.#settings.root, held: this.#held, clock: this.#clock, replicas },
      ...{ checkpointer: this.#checkpointer, events: this.#events },
    });
  }

  #operations(
    parts: Pick<
      OperationsParts,
      'history' | 'loop' | 'shards' | 'peers' | 'runs' | 'clusters' | 'plans' | 'openMembers' | 'store'
    >,
  ): ServiceOperations {
    const { name, root } = this.#settings;
    return new ServiceOperations({
      ...parts,
      ...{
        name,
        root,
        version: packageVersion(),
        held: this.#held,
        clock: this.#clock,
        events: this.#events,
      },
      startedMs: this.#clock.nowMs(),
      reads: new PropertyReads(root, this.#held),
      notReady: () => this.#notReady,
      listen: () => this.address,
    });
  }

  async #buildStale(runs: Runs, shards: ShardWatch): Promise<void> {
    const { signal } = this.#stopping;
    for (const { group, shard, moved, error } of await shards.look(signal)) {
      if (error?.code === 'newer-format') throw error;
      if (error !== null)
        this.#events.problem('shard', error, `shard ${shard} of group ${group} cannot be read`);
      if (moved) runs.add({ kind: 'build', trigger: 'start', group, shard });
    }
    await runs.idle();
  }
}
