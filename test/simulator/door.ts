/**
 * The property store of production at a simulated machine, in one life of its process: writes of applications, and its
 * outboxes over the simulated network. When the process dies, what was on its way is lost with it.
 */
import type { Clock } from '../../src/lib/clock.ts';
import { raceSignal } from '../../src/lib/race-signal.ts';
import type { Version } from '../../src/property/version.ts';
import { Checkpointer } from '../../src/property-index/checkpointer.ts';
import type { OtherReplica } from '../../src/property-store/replicas.ts';
import { PropertyStore } from '../../src/property-store/property-store.ts';
import type { Written, PropertyWrite } from '../../src/property-store/write-edits.ts';
import type { ShardCopy, StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import { type Invariants, Violation } from './invariants.ts';
import type { Network } from './network.ts';
import { NetworkedCopy } from './networked-copy.ts';
import { entityName, group, type Replica } from './replica.ts';
import { Run } from './run.ts';
import type { SkewedClock } from './virtual-time.ts';
import { peerMember } from './wire.ts';

export interface DoorOptions {
  /** Names the machine and its life. */
  readonly name: string;
  readonly machine: string;
  readonly root: string;
  readonly clock: SkewedClock;
  readonly settings: GroupSettings;
  /** Whether the shard is held on this machine; else writes are made at the others. */
  readonly holds: boolean;
  readonly others: readonly Replica[];
  readonly network: Network;
  readonly invariants: Invariants;
  /** Whether the others are reached by the wire of production. */
  readonly wired: boolean;
}

export class Door implements AsyncDisposable {
  readonly #options: DoorOptions;
  readonly #run: Run;
  readonly #store: PropertyStore;
  readonly #death = Promise.withResolvers<void>();
  readonly #others: readonly OtherReplica[];
  readonly #sent = new Map<string, readonly Version[]>();
  dead = false;
  stopping = false;
  /** Versions for other replicas, each counted for each of them: given to the outboxes, and come to an end there. */
  #given = 0;
  #settled = 0;

  constructor(options: DoorOptions) {
    const { name, machine, root, clock, holds, others, network } = options;
    this.#options = options;
    this.#run = new Run(name, machine, network.time.nowMs);
    this.#others = others.map((replica) => ({ place: replica.name, copy: () => this.#copyAt(replica) }));
    this.#store = new PropertyStore({
      root,
      clock: new DoorClock(clock, this.#run, this.#death.promise),
      held: holds ? null : [],
      checkpointer: new Checkpointer((_path, error) => {
        throw error;
      }),
      replicas: { holding: () => this.#others, groupSettings: () => options.settings },
      events: {
        called: () => undefined,
        clockBehind: () => undefined,
        sent: (_place, versions) => this.#settle(versions, 'version sent on to another replica'),
        dropped: (_place, versions) => this.#settle(versions, 'version not sent on'),
      },
    });
  }

  /** Writes and counts what is to be sent on. Never settles where the process dies. */
  async write(write: PropertyWrite): Promise<Written> {
    const written = await this.#store.apply(write);
    this.#given += this.#others.length;
    return written;
  }

  async delete(id: string): Promise<boolean> {
    const deleted = await this.#store.delete({ group, name: entityName, id });
    if (deleted) this.#given += this.#others.length;
    return deleted;
  }

  /** Versions of an entity, by its key in latin1, as they went to other replicas from here. */
  sent(key: string): readonly Version[] {
    return this.#sent.get(key) ?? [];
  }

  /** Resolves when the process has died. */
  get death(): Promise<void> {
    return this.#death.promise;
  }

  /** Whether versions are on their way to others. */
  get sending(): boolean {
    return this.#given > this.#settled;
  }

  /** Takes no more writes, sends what is on its way for a moment, and ends. */
  async stop(): Promise<void> {
    this.stopping = true;
    if (this.sending)
      this.#options.network.happenings.count('property store stops with versions on their way');
    await this.#store[Symbol.asyncDispose]();
    if (!this.dead) this.checkSettled();
  }

  /** To be called when nothing more happens: every version that was to be sent on was, or was given up and told so. */
  checkSettled(): void {
    if (this.#given === this.#settled && this.#store.waiting === 0) return;
    throw new Violation(
      `of ${this.#given} versions that ${this.#options.name} was to send on it tells of ${this.#settled}, and ${this.#store.waiting} wait`,
    );
  }

  /** The process dies: nothing it asks reaches anybody any more, and what it had open is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.dead) return;
    this.dead = true;
    if (this.sending) this.#options.network.happenings.count('versions on their way lost in a crash');
    await this.#run.die();
    this.#death.resolve();
    // Where nothing is held there is nothing to close, and what waits for others does so for ever.
    if (this.#options.holds) await this.#store[Symbol.asyncDispose]();
  }

  #settle(versions: number, how: 'version sent on to another replica' | 'version not sent on'): void {
    if (this.dead) return;
    this.#settled += versions;
    this.#options.network.happenings.count(how, versions);
  }

  #copyAt(replica: Replica): ShardCopy {
    const { network, wired, invariants } = this.#options;
    const copy = wired
      ? peerMember(network, this.#run, replica).copy(group, 0)
      : new NetworkedCopy(network, this.#run, replica);
    return notingCopy(copy, (batch) => {
      invariants.wrote(batch);
      for (const version of batch) {
        const key = version.key.toString('latin1');
        this.#sent.set(key, [...this.sent(key), version]);
      }
    });
  }
}

/** A copy that tells of what is sent to it, and of whose answers nobody hears any more once they were given up. */
function notingCopy(copy: ShardCopy, onSend: (batch: readonly StoredVersion[]) => void): ShardCopy {
  const { place, shard } = copy;
  return {
    ...{ place, group, shard },
    openView: (options) => copy.openView(options),
    fetch: (keys, signal) => copy.fetch(keys, signal),
    openApply: async (options) => {
      const session = await raceSignal(copy.openApply(options), options.signal);
      return {
        apply: (batch, signal) => {
          onSend(batch);
          return raceSignal(session.apply(batch, signal), signal);
        },
        [Symbol.asyncDispose]: async () => await session[Symbol.asyncDispose](),
      };
    },
  };
}

/** The clock of a machine as its property store sees it; when the process dies nobody sleeps any longer. */
class DoorClock implements Clock {
  readonly #clock: SkewedClock;
  readonly #run: Run;
  readonly #death: Promise<void>;

  constructor(clock: SkewedClock, run: Run, death: Promise<void>) {
    this.#clock = clock;
    this.#run = run;
    this.#death = death;
  }

  nowNs(): bigint {
    return this.#clock.nowNs();
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#run.dead) return;
    const slept = this.#clock.sleep(delayMs, signal);
    slept.catch(() => undefined);
    await Promise.race([slept, this.#death]);
  }
}
