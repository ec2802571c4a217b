/** What happens in a simulated cluster: applications write, operators act, machines fail, networks part. */
import type { Cluster } from './cluster.ts';
import type { Coordinators } from './coordinators.ts';
import { Network } from './network.ts';
import type { Happening } from './happenings.ts';
import { Crashed, type Replica } from './replica.ts';
import { DoorWrites } from './door-writes.ts';
import { Writes } from './writes.ts';

/** Time between two operations, at most; most come closer. */
const gapMsMax = 60_000;

/** How long a machine is down, or a partition lasts, at most. */
const outageMsMax = 600_000;

/** What can happen, and how often beside the others. */
type Weighted = readonly [number, () => void | Promise<void>];

export class Operations {
  readonly #cluster: Cluster;
  readonly #coordinators: Coordinators;
  readonly #writes: Writes;
  readonly #doorWrites: DoorWrites;
  /** What can happen, as often as it stands here. */
  readonly #choices: readonly (() => void | Promise<void>)[];

  constructor(cluster: Cluster, coordinators: Coordinators) {
    this.#cluster = cluster;
    this.#coordinators = coordinators;
    this.#writes = new Writes(cluster, coordinators);
    this.#doorWrites = new DoorWrites(cluster, this.#writes);
    const weighted: readonly Weighted[] = [
      [30, () => this.#writes.write()],
      [10, () => this.#writes.writeGiven()],
      [14, () => this.#writes.remove()],
      [cluster.restores ? 20 : 8, () => this.#build()],
      [14, () => this.#round()],
      [6, () => this.#pair()],
      [3, () => this.#dryRun()],
      [3, () => this.#carryOutPlan()],
      [3, () => this.#crash()],
      [3, () => this.#partition()],
      [4, () => this.#cancel()],
      [3, () => this.#killCoordinator()],
      [2, () => this.#skew()],
      ...(cluster.restores ? this.#restoring : []),
      ...(cluster.sites.length > 0 ? this.#ofStores : []),
      ...(cluster.replicas.some(({ kind }) => kind === 'banyandb') ? this.#ofNodes : []),
    ];
    this.#choices = weighted.flatMap(([weight, act]) => Array.from({ length: weight }, () => act));
  }

  get #restoring(): readonly Weighted[] {
    return [
      [8, () => this.#backUp()],
      [6, () => this.#restore()],
    ];
  }

  get #ofStores(): readonly Weighted[] {
    return [
      [40, () => this.#doorWrites.write()],
      [14, () => this.#doorWrites.delete()],
      [6, () => this.#doorWrites.stop()],
      [4, () => this.#doorWrites.crash()],
    ];
  }

  get #ofNodes(): readonly Weighted[] {
    return [
      [20, () => this.#writes.writeThrough()],
      [14, () => this.#writes.removeThrough()],
      [14, () => this.#writes.ownRepair()],
    ];
  }

  /** Sets all operations on the clock; returns when the last will happen. */
  begin(): number {
    const { time, random, operations, underWay } = this.#cluster;
    let atMs = 0;
    for (let number = 0; number < operations; number += 1) {
      atMs += random.chance(0.5) ? random.below(1_000) : random.below(gapMsMax);
      const name = `operation ${String(number).padStart(4, '0')}`;
      void time.wait(atMs, name).then(() => underWay.track(name, this.#act()));
    }
    return atMs;
  }

  async #act(): Promise<void> {
    try {
      await this.#cluster.random.pick(this.#choices)();
    } catch (error) {
      if (!(error instanceof Crashed)) this.#coordinators.violation ??= error as Error;
    }
  }

  async #build(): Promise<void> {
    const replica = this.#writes.replica();
    if (replica === null) return;
    await this.#writes.at(replica, () => replica.store.build());
    const tree = await replica.store.listedTree();
    const contents = tree && replica.store.builtOf(tree);
    if (tree !== null && contents !== null)
      this.#cluster.invariants.checkFresh(replica, tree.stale, contents);
  }

  /** One of the replicas that are up, or an operator's machine. */
  #host(): string {
    const { random, replicas } = this.#cluster;
    const hosts = replicas.filter(({ kind, up }) => kind === 'tallystick' && up);
    return random.chance(0.3) || hosts.length === 0 ? 'operator' : random.pick(hosts).name;
  }

  #happen(kind: Happening): void {
    this.#cluster.network.happenings.count(kind);
  }

  #shuffled(): Replica[] {
    const left = [...this.#cluster.replicas];
    const order: Replica[] = [];
    while (left.length > 0) order.push(...left.splice(this.#cluster.random.below(left.length), 1));
    return order;
  }

  #round(): void {
    this.#coordinators.start(this.#shuffled(), this.#host());
  }

  #pair(): void {
    this.#coordinators.start(this.#shuffled().slice(0, 2), this.#host());
  }

  #dryRun(): void {
    this.#coordinators.startDryRun(this.#shuffled(), this.#host());
  }

  #carryOutPlan(): void {
    this.#coordinators.carryOutPlan(this.#shuffled(), this.#host());
  }

  async #crash(): Promise<void> {
    const replica = this.#writes.replica();
    if (replica === null) return;
    await replica.crash();
    this.#cluster.network.onCrash(replica);
  }

  #partition(): void {
    const { replicas, sites, random, network, time } = this.#cluster;
    const side = new Set(random.subset(replicas, 1).map(({ name }) => name));
    const names = [...new Set([...replicas, ...sites].map(({ name }) => name)), 'operator'];
    const cut = names.flatMap((a) =>
      names.filter((b) => side.has(a) && !side.has(b)).map((b) => Network.pair(a, b)),
    );
    for (const pair of cut) network.cuts.add(pair);
    this.#happen('partition');
    void time.wait(random.below(outageMsMax), `heal ${cut.join(' ')}`).then(() => {
      this.#happen('partition heals');
      for (const pair of cut) network.cuts.delete(pair);
    });
  }

  #cancel(): void {
    const { random } = this.#cluster;
    const running = [...this.#coordinators.running];
    if (running.length === 0) return;
    this.#coordinators.cancel(random.pick(running));
    if (random.chance(0.3)) return;
    this.#happen('operator tries again');
    this.#round();
  }

  async #killCoordinator(): Promise<void> {
    const running = [...this.#coordinators.running];
    if (running.length > 0) await this.#coordinators.kill(this.#cluster.random.pick(running));
  }

  #skew(): void {
    const { random } = this.#cluster;
    const replica = random.pick(this.#cluster.replicas);
    this.#happen('clock jumps');
    replica.clock.skewMs += random.below(7_200_000) - 3_600_000;
  }

  #backUp(): void {
    for (const { up, store } of this.#cluster.replicas) if (up) store.backUp();
  }

  async #restore(): Promise<void> {
    const replica = this.#writes.replica();
    if (replica === null) return;
    // The process is stopped for it, as a restore demands.
    await replica.crash();
    this.#cluster.network.onCrash(replica);
    if (!replica.store.restore()) return;
    this.#happen('older database put in place');
    this.#cluster.invariants.forget(replica);
  }
}
