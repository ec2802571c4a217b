/** Writes and deletes in a simulated cluster, at a replica or through the door of BanyanDB nodes, each held to what was acknowledged. */
import { repairRing } from '../support/model-own-repair.ts';
import { makeVersion } from '../support/versions.ts';
import type { Cluster } from './cluster.ts';
import type { Coordinators } from './coordinators.ts';
import type { Happening } from './happenings.ts';
import { NodeStore } from './node-store.ts';
import { Crashed, entityName, group, type Replica, type Store } from './replica.ts';

/** Revisions that were stamped elsewhere come from so small a range that they meet. */
const givenRevisions = 4;

/** Within this time a write reaches the nodes that it missed at first, where it does. */
const lateMsMax = 60_000;

/** Less than any digest. */
const noDigest = Buffer.alloc(64);

export class Writes {
  readonly #cluster: Cluster;
  readonly #coordinators: Coordinators;

  constructor(cluster: Cluster, coordinators: Coordinators) {
    this.#cluster = cluster;
    this.#coordinators = coordinators;
  }

  /** One that is up. */
  replica(): Replica | null {
    const up = this.#cluster.replicas.filter((replica) => replica.up);
    return up.length === 0 ? null : this.#cluster.random.pick(up);
  }

  /** Does something at a replica, which may die of it. */
  async at(replica: Replica, work: () => Promise<void>): Promise<void> {
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

  async #change(
    replica: Replica | null,
    id: string,
    work: (store: Store) => Promise<void>,
    during: 'write during a run' | 'delete during a run' = 'write during a run',
  ): Promise<void> {
    if (replica === null) return;
    const { store } = replica;
    const { invariants } = this.#cluster;
    if (this.#coordinators.running.size > 0) this.#happen(during);
    const key = `${entityName}\0${id}`;
    const before = store.contents().get(key);
    try {
      await this.at(replica, () => work(store));
    } finally {
      // Also what it died of may have been committed.
      const now = store.contents().get(key);
      if (now !== undefined && now !== before) invariants.wrote([now]);
    }
  }

  #happen(kind: Happening): void {
    this.#cluster.network.happenings.count(kind);
  }

  #id(): string {
    return `e${this.#cluster.random.below(this.#cluster.entities)}`;
  }

  async write(): Promise<void> {
    const { invariants, random } = this.#cluster;
    const value = `v${random.below(3)}`;
    const id = this.#id();
    const replica = this.replica();
    const key = `${entityName}\0${id}`;
    const before = replica?.store.contents().get(key);
    await this.#change(replica, id, (store) => store.write(id, value, null));
    if (replica === null) return;
    // Stamped at the replica, greater than what was there, and live.
    const revision = (before?.revision ?? 0n) + 1n;
    invariants.checkAcknowledged(replica, key, { revision, deleteTime: 0n, digest: noDigest });
  }

  async writeGiven(): Promise<void> {
    const { invariants, random } = this.#cluster;
    const value = `v${random.below(3)}`;
    const revision = BigInt(1 + random.below(givenRevisions));
    const id = this.#id();
    const replica = this.replica();
    await this.#change(replica, id, (store) => store.write(id, value, revision));
    if (replica === null) return;
    const written =
      replica.kind === 'banyandb'
        ? { revision, deleteTime: 0n, digest: noDigest }
        : makeVersion({ name: entityName, id, value, revision });
    invariants.checkAcknowledged(replica, `${entityName}\0${id}`, written);
  }

  async remove(): Promise<void> {
    const id = this.#id();
    const replica = this.replica();
    const before = replica?.store.contents().get(`${entityName}\0${id}`);
    await this.#change(replica, id, (store) => store.remove(id), 'delete during a run');
    if (replica === null || before === undefined) return;
    const tombstone = { ...before, deleteTime: 1n, digest: noDigest };
    this.#cluster.invariants.checkAcknowledged(replica, `${entityName}\0${id}`, tombstone);
  }

  /** Through the cluster's own door: the same version to those of its nodes that are there. */
  async writeThrough(): Promise<void> {
    const { random, time } = this.#cluster;
    const value = `v${random.below(3)}`;
    const id = this.#id();
    const nodes = this.#nodes();
    if (nodes.length === 0) return;
    const revisions = nodes.map(({ clock, store }) => {
      const newest = store.contents().get(`${entityName}\0${id}`)?.revision ?? 0n;
      return clock.nowNs() > newest ? clock.nowNs() : newest + 1n;
    });
    const revision = revisions.reduce((top, next) => (next > top ? next : top));
    const first = random.subset(nodes, 1);
    for (const node of first) await this.#change(node, id, (store) => store.write(id, value, revision));
    const late = nodes.filter((node) => !first.includes(node));
    if (late.length === 0 || random.chance(0.5)) return;
    await time.wait(random.below(lateMsMax), `late write ${id} ${revision}`);
    for (const node of late) {
      if (node.up) await this.#change(node, id, (store) => store.write(id, value, revision));
    }
  }

  async removeThrough(): Promise<void> {
    const nodes = this.#nodes();
    const id = this.#id();
    if (nodes.length === 0) return;
    for (const node of this.#cluster.random.subset(nodes, 1)) {
      await this.#change(node, id, (store) => store.remove(id), 'delete during a run');
    }
  }

  /** BanyanDB's own repair goes around; what it takes back is its own doing. */
  ownRepair(): void {
    const nodes = this.#nodes();
    if (!this.#cluster.ownRepair || nodes.length < 2) return;
    const { invariants, replicas } = this.#cluster;
    invariants.look(replicas);
    const stores = nodes.map(({ store }) => store as NodeStore);
    if (this.#cluster.random.chance(0.7)) for (const { node } of stores) node.build();
    for (const node of nodes) node.touched = true;
    this.#happen('BanyanDB repairs by itself');
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
}
