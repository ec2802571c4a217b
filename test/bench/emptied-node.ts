/**
 * A node of a real BanyanDB that lost what it had of a group, as it is filled again: by BanyanDB's own repair, or by
 * rounds of ours in a process of their own. How far it is tells the counter that the node keeps of versions it took.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBanyandbTree } from '../../src/banyandb/tree-file-view.ts';
import { CodedError } from '../../src/lib/coded-error.ts';
import type { BanyandbCluster } from '../support/banyandb-cluster.ts';
import { until } from '../support/banyandb-gateway.ts';
import type { Say } from './bench-case.ts';
import { RoundsInChild } from './rounds-in-child.ts';

/** Between two looks at the counter. */
const lookMs = 100;

/** Without a further version for so long nothing more is expected of a repair: all of what either waits for is shorter. */
const stalledMs = 60_000;

export class EmptiedNode {
  readonly #cluster: BanyandbCluster;
  readonly #group: string;
  readonly #say: Say;
  readonly place: string;

  /** The third node of `cluster`. */
  constructor(cluster: BanyandbCluster, group: string, say: Say) {
    this.#cluster = cluster;
    this.#group = group;
    this.#say = say;
    this.place = cluster.places[2] ?? '';
  }

  /** Makes the group and fills it with `count` properties of `valueBytes`; the others build their trees, and then no more. */
  async fill(count: number, valueBytes: number): Promise<void> {
    const { gateway } = this.#cluster;
    await gateway.makeGroup(this.#group, 1);
    this.#say(`writes ${count} properties`);
    const ids = Array.from({ length: count }, (_, at) => `id-${at}`);
    await gateway.writeAll(this.#group, ids, 'b'.repeat(valueBytes));
    for (const place of this.#cluster.places.filter((one) => one !== this.place)) {
      this.#say(`${place} builds its tree`);
      await this.#cluster.end(place, 'SIGTERM');
      await this.#buildTree(place, count);
      await this.#cluster.restart(place);
    }
  }

  /**
   * Throws away what the node has of the group, and starts it again with a tree that holds next to nothing: without one
   * it takes part in no repair. Afterwards it builds none on a schedule. It is away so briefly that the liaison does not
   * leave it out; else it would be minutes until that uses it again. Not to be called soon after BanyanDB's own repair: that
   * goes on from node to node for a while, and fills it.
   */
  async empty(flags: readonly string[] = []): Promise<void> {
    this.#say(`${this.place} is emptied`);
    await this.#cluster.end(this.place, 'SIGTERM');
    this.#cluster.empty(this.place, this.#group);
    await this.#buildTree(this.place, 1);
    const leaves = await this.#treeLeaves(this.place);
    if (leaves > 1) throw new Error(`a repair of its own filled ${this.place} with ${leaves - 1} properties`);
    await this.#cluster.restart(this.place, { flags });
  }

  /** Starts a node that is ended, has it build a tree of so many `leaves` or more, and ends it. */
  async #buildTree(place: string, leaves: number): Promise<void> {
    const isBuilt = async (): Promise<boolean> => (await this.#treeLeaves(place)) >= leaves;
    // Ends: a node is seldom ended while it writes its tree anew, in place.
    do {
      await this.#cluster.restart(place, { flags: ['--property-repair-build-tree-cron=@every 2s'] });
      await until(`a tree of ${leaves} leaves at ${place}`, async () => {
        if (await isBuilt()) return true;
        // Also where the node had nothing there is something to build.
        await this.#cluster.gateway.write(this.#group, 'first', 'x');
        return null;
      });
      await this.#cluster.end(place, 'SIGTERM');
    } while (!(await isBuilt()));
  }

  /** Leaves of the tree that a node has of the group; 0 where it has none, or writes it just now. */
  async #treeLeaves(place: string): Promise<number> {
    let leaves = 0;
    for (const path of this.#cluster.treeFiles(place, this.#group)) {
      try {
        await using tree = await openBanyandbTree(path);
        leaves += tree.description.leaves;
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
      }
    }
    return leaves;
  }

  /** Versions that it took in repairs since it was started; 0 also where it does not tell its metrics yet. */
  async taken(): Promise<number> {
    const metric = 'property_scheduler_property_repair_success_count';
    return await this.#cluster.metric(this.place, metric, this.#group).catch(() => 0);
  }

  async untilTaking(): Promise<void> {
    await until('the first versions', async () => ((await this.taken()) > 0 ? true : null));
  }

  /** Milliseconds for `count` versions, as fast as from the first that it is seen to have taken to the last. */
  async fillMs(count: number): Promise<number> {
    await this.untilTaking();
    const began = { atMs: performance.now(), taken: await this.taken() };
    this.#say(`${this.place} takes the first versions`);
    let last = began;
    for (;;) {
      const taken = await this.taken();
      const atMs = performance.now();
      if (taken >= count) {
        const ms = ((atMs - began.atMs) * count) / (count - began.taken);
        this.#say(`${this.place} has taken all: ${Math.round((1_000 * count) / ms)} a second`);
        return ms;
      }
      if (taken > last.taken) last = { atMs, taken };
      if (atMs - last.atMs > stalledMs)
        throw new Error(`no more than ${taken} of ${count} versions were taken`);
      await sleep(lookMs);
    }
  }

  /** Rounds until one converges, or they are disposed. */
  fillByRounds(options: readonly string[] = []): RoundsInChild {
    const { places, liaison, folder } = this.#cluster;
    const args = [...places, '--liaison', liaison, ...options];
    const rounds = new RoundsInChild({ args, log: join(folder, 'rounds.log'), say: this.#say });
    rounds.start();
    return rounds;
  }
}
