/**
 * A node of a real BanyanDB that lost what it had of a group, as it is filled again: by BanyanDB's own repair, or by
 * rounds of ours in a process of their own. How far it is tells the counter that the node keeps of versions it took.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BanyandbCluster } from '../support/banyandb-cluster.ts';
import { until } from '../support/banyandb-gateway.ts';

/** Between two looks at the counter. */
const lookMs = 100;

const program = join(import.meta.dirname, '../../src/cli.ts');

export class EmptiedNode {
  readonly #cluster: BanyandbCluster;
  readonly #group: string;
  readonly place: string;

  /** The third node of `cluster`. */
  constructor(cluster: BanyandbCluster, group: string) {
    this.#cluster = cluster;
    this.#group = group;
    this.place = cluster.places[2] ?? '';
  }

  /** Makes the group and fills it with `count` properties of `valueBytes`; the others build their trees, and then no more. */
  async fill(count: number, valueBytes: number): Promise<void> {
    const { gateway } = this.#cluster;
    await gateway.makeGroup(this.#group, 1);
    const ids = Array.from({ length: count }, (_, at) => `id-${at}`);
    await gateway.writeAll(this.#group, ids, 'b'.repeat(valueBytes));
    for (const place of this.#cluster.places.filter((one) => one !== this.place)) {
      await this.#cluster.end(place, 'SIGTERM');
      await this.#startBuilt(place, []);
    }
  }

  /**
   * Throws away what the node has of the group, and starts it again with a tree that holds next to nothing: without one
   * it takes part in no repair. Afterwards it builds none on a schedule. It is away so briefly that the liaison does not
   * leave it out; else it would be minutes until that uses it again.
   */
  async empty(flags: readonly string[] = []): Promise<void> {
    await this.#cluster.end(this.place, 'SIGTERM');
    this.#cluster.empty(this.place, this.#group);
    await this.#startBuilt(this.place, flags);
  }

  async #startBuilt(place: string, flags: readonly string[]): Promise<void> {
    await this.#cluster.restart(place, { flags: ['--property-repair-build-tree-cron=@every 2s'] });
    await until('a tree', async () => {
      // There is something to build.
      await this.#cluster.gateway.write(this.#group, 'first', 'x');
      return (await this.#count(place, 'property_property_repair_build_tree_finished')) > 0 ? true : null;
    });
    await this.#cluster.end(place, 'SIGTERM');
    await this.#cluster.restart(place, { flags });
  }

  /** Versions that it took in repairs since it was started. */
  async taken(): Promise<number> {
    return await this.#count(this.place, 'property_scheduler_property_repair_success_count');
  }

  /** 0 also where it does not tell its metrics yet: the liaison need not have noticed that it was away. */
  async #count(place: string, metric: string): Promise<number> {
    return await this.#cluster.metric(place, metric, this.#group).catch(() => 0);
  }

  async untilTaking(): Promise<void> {
    await until('the first versions', async () => ((await this.taken()) > 0 ? true : null));
  }

  /** Milliseconds for `count` versions, as fast as from the first that it is seen to have taken to the last. */
  async fillMs(count: number): Promise<number> {
    await this.untilTaking();
    const began = { atMs: performance.now(), taken: await this.taken() };
    // Ends: until the bench is given up, by whoever started it.
    for (;;) {
      const now = await this.taken();
      const tookMs = performance.now() - began.atMs;
      if (now >= count) return (tookMs * count) / (count - began.taken);
      await sleep(lookMs);
    }
  }

  /** Rounds until one converges, or it is disposed: the node has no tree before its own first build. */
  fillByRounds(options: readonly string[] = []): AsyncDisposable {
    const { places, liaison } = this.#cluster;
    let child: ChildProcess | null = null;
    let ended = false;
    const round = async (): Promise<void> => {
      let code: number | null = null;
      while (code !== 0 && !ended) {
        child = spawn(process.execPath, [program, 'round', ...places, '--liaison', liaison, ...options], {
          stdio: 'ignore',
        });
        const { promise, resolve } = Promise.withResolvers<number | null>();
        child.once('exit', resolve);
        code = await promise;
      }
    };
    const converged = round();
    return {
      [Symbol.asyncDispose]: async () => {
        ended = true;
        child?.kill('SIGTERM');
        await converged;
      },
    };
  }
}
