/** What happens in a simulated cluster: applications write, operators act, machines fail, networks part. */
import { repairRing } from '../support/model-own-repair.ts';
import { makeVersion } from '../support/versions.ts';
import type { Cluster } from './cluster.ts';
import type { Coordinators } from './coordinators.ts';
import { Network } from './network.ts';
import { Violation } from './invariants.ts';
import { NodeStore } from './node-store.ts';
import { Crashed, entityName, group, type Replica, type Store } from './replica.ts';

/** Time between two operations, at most; most come closer. */
const gapMsMax = 60_000;

/** How long a machine is down, or a partition lasts, at most. */
const outageMsMax = 600_000;

/** Revisions that were stamped elsewhere come from so small a range that they meet. */
const givenRevisions = 4;

/** Less than any digest. */
const noDigest = Buffer.alloc(64);

export class Operations {
  readonly #cluster: Cluster;
  readonly #coordinators: Coordinators;
  /** What can happen, as often as it stands here. */
  readonly #choices: readonly (() => void | Promise<void>)[];

  constructor(cluster: Cluster, coordinators: Coordinators) {
    this.#cluster = cluster;
    this.#coordinators = coordinators;
    const weighted: [number, () => void | Promise<void>][] = [
      [30, () => this.#write()],
      [10, () => this.#writeGiven()],
      [14, () => this.#remove()],
      [8, () => this.#build()],
      [14, () => this.#round()],
      [6, () => this.#pair()],
      [3, () => this.#dryRun()],
      [3, () => this.#carryOutPlan()],
      [3, () => this.#crash()],
      [3, () => this.#partition()],
      [4, () => this.#cancel()],
      [3, () => this.#killCoordinator()],
      [2, () => this.#skew()],
      [2, () => this.#backUp()],
      [2, () => this.#restore()],
      ...(cluster.replicas.some(({ kind }) => kind === 'banyandb')
        ? ([
            [20, () => this.#writeThrough()],
            [14, () => this.#removeThrough()],
            [8, () => this.#ownRepair()],
          ] as [number, () => void | Promise<void>][])
        : []),
    ];
    this.#choices = weighted.flatMap(([weight, act]) => Array.from({ length: weight }, () => act));
  }

  /** Sets all operations on the clock; returns when the last will happen. */
  begin(): number {
    const { time, random, operations } = this.#cluster;
    let atMs = 0;
    for (let number = 0; number < operations; number += 1) {
      atMs += random.chance(0.5) ? random.below(1_000) : random.below(gapMsMax);
      void time.wait(atMs, `operation ${String(number).padStart(4, '0')}`).then(() => this.#act());
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

  #replica(): Replica | null {
    const up = this.#cluster.replicas.filter((replica) => replica.up);
    return up.length === 0 ? null : this.#cluster.random.pick(up);
  }

  /** Does something at a replica, which may die of it. */
  async #at(replica: Replica, work: () => Promise<void>): Promise<void> {
    const { network, random, time } = this.#cluster;
    const crashAt = random.chance(network.weather.crash) ? random.below(12) : null;
    try {
      await replica.perform(work, crashAt);
      time.note(`${replica.name} did`);
    } catch (error) {
      if (error instanceof Crashed) network.onCrash(replica);
      throw error;
    }
  }

  async #change(replica: Replica | null, id: string, work: (store: Store) => Promise<void>): Promise<void> {
    if (replica === null) return;
    const { store } = replica;
    const { invariants } = this.#cluster;
    const key = `${entityName}\0${id}`;
    const before = store.contents().get(key);
    try {
      await this.#at(replica, () => work(store));
    } finally {
      // Also what it died of may have been committed.
      const now = store.contents().get(key);
      if (now !== undefined && now !== before) invariants.wrote([now]);
    }
    const now = store.contents().get(key);
    if (now === undefined && before !== undefined)
      throw new Violation(`${replica.name} lost ${key} to a write`);
  }

  #id(): string {
    return `e${this.#cluster.random.below(this.#cluster.entities)}`;
  }

  async #write(): Promise<void> {
    const { invariants, random } = this.#cluster;
    const value = `v${random.below(3)}`;
    const id = this.#id();
    const replica = this.#replica();
    const key = `${entityName}\0${id}`;
    const before = replica?.store.contents().get(key);
    await this.#change(replica, id, (store) => store.write(id, value, null));
    if (replica === null) return;
    // Stamped at the replica, greater than what was there, and live.
    const revision = (before?.revision ?? 0n) + 1n;
    invariants.checkAcknowledged(replica, key, { revision, deleteTime: 0n, digest: noDigest });
  }

  async #writeGiven(): Promise<void> {
    const { invariants, random } = this.#cluster;
    const value = `v${random.below(3)}`;
    const revision = BigInt(1 + random.below(givenRevisions));
    const id = this.#id();
    const replica = this.#replica();
    await this.#change(replica, id, (store) => store.write(id, value, revision));
    if (replica === null) return;
    const written =
      replica.kind === 'banyandb'
        ? { revision, deleteTime: 0n, digest: noDigest }
        : makeVersion({ name: entityName, id, value, revision });
    invariants.checkAcknowledged(replica, `${entityName}\0${id}`, written);
  }

  async #remove(): Promise<void> {
    const id = this.#id();
    const replica = this.#replica();
    const before = replica?.store.contents().get(`${entityName}\0${id}`);
    await this.#change(replica, id, (store) => store.remove(id));
    if (replica === null || before === undefined) return;
    const tombstone = { ...before, deleteTime: 1n, digest: noDigest };
    this.#cluster.invariants.checkAcknowledged(replica, `${entityName}\0${id}`, tombstone);
  }

  /** Through the cluster's own door: the same version to those of its nodes that are there. */
  async #writeThrough(): Promise<void> {
    const { random } = this.#cluster;
    const value = `v${random.below(3)}`;
    const id = this.#id();
    const nodes = this.#nodes();
    if (nodes.length === 0) return;
    const revisions = nodes.map(({ clock, store }) => {
      const newest = store.contents().get(`${entityName}\0${id}`)?.revision ?? 0n;
      return clock.nowNs() > newest ? clock.nowNs() : newest + 1n;
    });
    const revision = revisions.reduce((top, next) => (next > top ? next : top));
    for (const node of random.subset(nodes, 1)) {
      await this.#change(node, id, (store) => store.write(id, value, revision));
    }
  }

  async #removeThrough(): Promise<void> {
    const nodes = this.#nodes();
    const id = this.#id();
    if (nodes.length === 0) return;
    for (const node of this.#cluster.random.subset(nodes, 1)) {
      await this.#change(node, id, (store) => store.remove(id));
    }
  }

  /** BanyanDB's own repair goes around; what it takes back is its own doing. */
  #ownRepair(): void {
    const nodes = this.#nodes();
    if (!this.#cluster.ownRepair || nodes.length < 2) return;
    const { invariants, replicas } = this.#cluster;
    invariants.look(replicas);
    const stores = nodes.map(({ store }) => store as NodeStore);
    for (const node of nodes) node.touched = true;
    NodeStore.byThemselves(stores, () =>
      repairRing(
        stores.map(({ node }) => node),
        { group, shard: 0 },
      ),
    );
  }

  #nodes(): Replica[] {
    return this.#cluster.replicas.filter(({ kind, up }) => kind === 'banyandb' && up);
  }

  async #build(): Promise<void> {
    const replica = this.#replica();
    if (replica === null) return;
    await this.#at(replica, () => replica.store.build());
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
    const replica = this.#replica();
    if (replica === null) return;
    await replica.crash();
    this.#cluster.network.onCrash(replica);
  }

  #partition(): void {
    const { replicas, random, network, time } = this.#cluster;
    const side = new Set(random.subset(replicas, 1).map(({ name }) => name));
    const names = [...replicas.map(({ name }) => name), 'operator'];
    const cut = names.flatMap((a) =>
      names.filter((b) => side.has(a) && !side.has(b)).map((b) => Network.pair(a, b)),
    );
    for (const pair of cut) network.cuts.add(pair);
    void time.wait(random.below(outageMsMax), `heal ${cut.join(' ')}`).then(() => {
      for (const pair of cut) network.cuts.delete(pair);
    });
  }

  #cancel(): void {
    const running = [...this.#coordinators.running];
    if (running.length > 0) this.#coordinators.cancel(this.#cluster.random.pick(running));
  }

  async #killCoordinator(): Promise<void> {
    const running = [...this.#coordinators.running];
    if (running.length > 0) await this.#coordinators.kill(this.#cluster.random.pick(running));
  }

  #skew(): void {
    const { random } = this.#cluster;
    const replica = random.pick(this.#cluster.replicas);
    replica.clock.skewMs += random.below(7_200_000) - 3_600_000;
  }

  #backUp(): void {
    if (this.#cluster.restores) this.#replica()?.store.backUp();
  }

  async #restore(): Promise<void> {
    const replica = this.#cluster.restores ? this.#replica() : null;
    if (replica === null) return;
    // The process is stopped for it, as a restore demands.
    await replica.crash();
    this.#cluster.network.onCrash(replica);
    if (replica.store.restore()) this.#cluster.invariants.forget(replica);
  }
}
