/**
 * The views a server keeps open for its peers. Each is pinned by a lease that ends when it is given back, or a minute
 * after its last use, so a peer that vanishes holds nothing for long, and their number is bounded: where there are too many,
 * the longest unused goes, and its peer is told that the generation is gone.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { ShardView } from '../shard-copy/shard-copy.ts';
import { leaseMs, leasesMax } from './wire-limits.ts';

interface Lease {
  readonly view: ShardView;
  users: number;
  lastUsedMs: number;
  /** Given back: it ends with its last user. */
  released: boolean;
}

/** A view in use; dispose it when the call that uses it ends. */
export interface LeasedView extends AsyncDisposable {
  readonly id: bigint;
  readonly view: ShardView;
}

export class ViewLeases implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #leasesMax: number;
  /** In order of last use. */
  readonly #leases = new Map<bigint, Lease>();
  // Starts anywhere, so that a lease of an earlier process is not taken for one of this.
  #lastId = randomBytes(8).readBigUInt64BE(0) >> 2n;
  #sweeping: AbortController | null = null;

  constructor(clock: Clock, max: number = leasesMax) {
    this.#clock = clock;
    this.#leasesMax = max;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** Takes over an opened view. Throws `busy` where every lease is in use; the view is closed then. */
  async add(view: ShardView): Promise<LeasedView> {
    while (this.#leases.size >= this.#leasesMax) {
      const unused = [...this.#leases].find(([, lease]) => lease.users === 0);
      if (unused === undefined) {
        await view[Symbol.asyncDispose]();
        throw new CodedError('busy', `${this.#leases.size} views are in use; try again`, {
          ceiling: this.#leasesMax,
        });
      }
      await this.#end(...unused);
    }
    this.#lastId++;
    const id = this.#lastId;
    const lease = { view, users: 0, lastUsedMs: this.#clock.monotonicMs(), released: false };
    this.#leases.set(id, lease);
    this.#sweep();
    return this.#use(id, lease);
  }

  /** Throws `generation-gone` where the lease has ended, or is of another shard. */
  use(id: bigint, group: string, shard: number): LeasedView {
    const lease = this.#leases.get(id);
    const description = lease?.view.description;
    if (lease === undefined || description?.group !== group || description.shard !== shard) {
      throw new CodedError(
        'generation-gone',
        'the tree this comparison was pinned to is gone; compare again',
        {
          group,
          shard,
        },
      );
    }
    return this.#use(id, lease);
  }

  /** Ends a lease that is not needed any more, once the calls that still use it have ended. Throws `generation-gone`. */
  async release(id: bigint, group: string, shard: number): Promise<void> {
    const leased = this.use(id, group, shard);
    const lease = this.#leases.get(id);
    if (lease !== undefined) lease.released = true;
    this.#leases.delete(id);
    await leased[Symbol.asyncDispose]();
  }

  /** Ends all leases, also those in use. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#sweeping?.abort();
    await Promise.all([...this.#leases].map(([id, lease]) => this.#end(id, lease)));
  }

  #use(id: bigint, lease: Lease): LeasedView {
    lease.users++;
    let disposed = false;
    return {
      id,
      view: lease.view,
      [Symbol.asyncDispose]: async () => {
        if (disposed) return;
        disposed = true;
        lease.users--;
        lease.lastUsedMs = this.#clock.monotonicMs();
        if (this.#leases.delete(id)) this.#leases.set(id, lease);
        else if (lease.released && lease.users === 0) await this.#end(id, lease);
      },
    };
  }

  async #end(id: bigint, lease: Lease): Promise<void> {
    this.#leases.delete(id);
    await lease.view[Symbol.asyncDispose]();
  }

  // One sleeper for all: it wakes while there are leases and ends those that are due.
  #sweep(): void {
    if (this.#sweeping !== null) return;
    const sweeping = new AbortController();
    this.#sweeping = sweeping;
    this.#clock.sleep(leaseMs / 4, sweeping.signal).then(
      async () => {
        this.#sweeping = null;
        const now = this.#clock.monotonicMs();
        const due = [...this.#leases].filter(
          ([, lease]) => lease.users === 0 && now - lease.lastUsedMs >= leaseMs,
        );
        if (due.length < this.#leases.size) this.#sweep();
        await Promise.allSettled(due.map(([id, lease]) => this.#end(id, lease)));
      },
      // The server was closed, and all leases with it.
      () => undefined,
    );
  }
}
