/** Applications that write through property stores: at replicas that hold the shard, and at machines that hold nothing. */
import { join } from 'node:path';
import { CodedError } from '../../src/lib/coded-error.ts';
import type { Version } from '../../src/property/version.ts';
import type { PropertyWrite } from '../../src/property-store/write-edits.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { Cluster } from './cluster.ts';
import { Door } from './door.ts';
import type { DoorSite } from './door-site.ts';
import { describe, orderOf, Violation } from './invariants.ts';
import { entityName, group } from './replica.ts';
import type { Writes } from './writes.ts';

/** How long a machine that holds nothing is down, at most. */
const outageMsMax = 120_000;

/** Less than any digest. */
const noDigest = Buffer.alloc(64);

export class DoorWrites {
  readonly #cluster: Cluster;
  readonly #writes: Writes;
  #count = 0;

  constructor(cluster: Cluster, writes: Writes) {
    this.#cluster = cluster;
    this.#writes = writes;
  }

  /** Some writes at once through one door, which may share a transaction. */
  async write(): Promise<void> {
    const { random, network } = this.#cluster;
    const site = this.#site();
    if (site === null) return;
    const all = Array.from({ length: 1 + random.below(3) }, () => this.#randomWrite(random));
    network.happenings.count('write through a property store', all.length);
    await this.#call(
      site,
      all.map(({ property }) => property.id),
      async (door) => {
        const written = await Promise.all(all.map((write) => door.write(write)));
        for (const [at, { property }] of all.entries()) {
          const { revision } = written[at] ?? { revision: 0n };
          if (revision <= property.modRevision)
            throw new Violation(`a write that read ${property.modRevision} was given ${revision}`);
          this.#checkThere(site, property.id, [{ revision, deleteTime: 0n, digest: noDigest }]);
        }
      },
    );
  }

  async delete(): Promise<void> {
    const { network, random, entities } = this.#cluster;
    const site = this.#site();
    if (site === null) return;
    const id = `e${random.below(entities)}`;
    network.happenings.count('delete through a property store');
    await this.#call(site, [id], async (door) => {
      const before = site.replica?.store.contents().get(keyOf(id));
      const sentBefore = door.sent(keyOf(id)).length;
      const deleted = await door.delete(id);
      if (site.replica !== null && deleted !== (before?.deleteTime === 0n))
        throw new Violation(`${site.name} says that ${id} was ${deleted ? '' : 'not '}live`);
      if (!deleted) return;
      // What is held elsewhere was deleted where one of its tombstones arrived, unless a write that came with it took its place.
      const sent = door.sent(keyOf(id)).slice(sentBefore);
      const gone = before === undefined ? sent.filter(({ deleteTime }) => deleteTime > 0n) : [before];
      const tombstones = gone.map((version) => ({ ...version, deleteTime: 1n, digest: noDigest }));
      this.#checkThere(site, id, tombstones.length > 0 ? tombstones : sent);
    });
  }

  /** One machine ends as it should: it sends what is on its way, for a moment, and is started again. */
  async stop(): Promise<void> {
    const site = this.#site(true);
    if (site?.door == null) return;
    const { door, replica } = site;
    await Promise.race([door.stop(), door.death]);
    if (door.dead) return;
    await this.#end(site);
    if (replica === null) return;
    await replica.crash();
    this.#cluster.network.onCrash(replica);
  }

  /** A machine that holds nothing dies. */
  async crash(): Promise<void> {
    const site = this.#site(true);
    if (site?.replica === null) await this.#end(site);
  }

  async #end(site: DoorSite): Promise<void> {
    const { time, random, doors } = this.#cluster;
    const { door } = site;
    site.door = null;
    if (door !== null) doors.delete(door);
    await door?.[Symbol.asyncDispose]();
    if (site.replica !== null) return;
    site.up = false;
    void time.wait(1_000 + random.below(outageMsMax), `restart ${site.name} ${site.lives}`).then(() => {
      site.up = true;
    });
  }

  /** Calls a door. At a replica it is done before anything else happens, and may be what the replica dies of. */
  async #call(site: DoorSite, ids: readonly string[], work: (door: Door) => Promise<void>): Promise<void> {
    const { replica } = site;
    if (replica === null) {
      this.#cluster.network.happenings.count('write of a shard that is held elsewhere');
      const door = this.#door(site);
      // Nobody waits for the answer of a process that died.
      await Promise.race([work(door).catch(unlessRefused), door.death]);
      return;
    }
    const before = replica.store.contents();
    try {
      await this.#writes.at(replica, () => work(this.#door(site)));
    } finally {
      // Also what it died of may have been committed.
      const now = replica.store.contents();
      for (const key of ids.map(keyOf)) {
        const version = now.get(key);
        if (version !== undefined && version !== before.get(key)) this.#cluster.invariants.wrote([version]);
      }
    }
  }

  #door(site: DoorSite): Door {
    if (site.door !== null && !site.door.dead) return site.door;
    const { network, invariants, replicas, scratch, wired, doors } = this.#cluster;
    const { name, clock, settings, replica } = site;
    site.lives += 1;
    const door = new Door({
      name: `store ${name} ${site.lives}`,
      machine: name,
      root: join(scratch, name),
      ...{ clock, settings, network, invariants, wired },
      holds: replica !== null,
      others: replicas.filter((other) => other.kind === 'tallystick' && other !== replica),
    });
    site.door = replica === null ? door : replica.hold(door);
    doors.add(door);
    return door;
  }

  /** One that is up and takes writes; with `sending` rather one that has versions on their way. */
  #site(sending = false): DoorSite | null {
    const { random, sites } = this.#cluster;
    const up = sites.filter(({ up, replica, door }) => (replica?.up ?? up) && door?.stopping !== true);
    const busy = sending ? up.filter(({ door }) => door?.sending === true) : [];
    const from = busy.length > 0 ? busy : up;
    return from.length === 0 ? null : random.pick(from);
  }

  /** Half of the writers have read a version somewhere, and write what they made of it. */
  #randomWrite(random: SeededRandom): PropertyWrite {
    const { replicas, entities } = this.#cluster;
    const id = `e${random.below(entities)}`;
    const read = random.pick(replicas).store.contents().get(keyOf(id))?.revision ?? 0n;
    this.#count += 1;
    return {
      property: {
        ...{ group, name: entityName, id, metadataId: 0, createRevision: 0n, updatedAt: null },
        modRevision: random.chance(0.5) ? read : 0n,
        tags: [{ key: `t${random.below(3)}`, value: { kind: 'str', value: `w${this.#count}` } }],
      },
      strategy: random.pick(['merge', 'replace']),
    };
  }

  /** What was acknowledged is there, or a greater version: at the replica itself, or at one of those it may have been made at. */
  #checkThere({ name, replica }: DoorSite, id: string, anyOf: readonly Version[]): void {
    const { invariants, replicas } = this.#cluster;
    if (replica !== null) {
      for (const written of anyOf) invariants.checkAcknowledged(replica, keyOf(id), written);
      return;
    }
    const held = replicas.map(({ store }) => store.contents().get(keyOf(id)));
    const isHeld = (written: Version): boolean =>
      held.some((version) => version !== undefined && orderOf(version, written) >= 0);
    if (anyOf.some(isHeld)) return;
    const told = anyOf.map(describe).join(' or ') || 'no version';
    throw new Violation(`${name} acknowledged ${id} at ${told}, and no replica has it`);
  }
}

function keyOf(id: string): string {
  return `${entityName}\0${id}`;
}

/** A write may be refused for reasons outside of the program: then it was not acknowledged. */
function unlessRefused(error: unknown): void {
  if (error instanceof Violation || !(error instanceof CodedError) || error.code === 'internal') throw error;
}
