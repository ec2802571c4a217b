/** A replica of a simulated cluster as a member of a round. */
import type { ShardCopy } from '../../src/shard-copy/shard-copy.ts';
import type { BuildOrder, Member, Offer } from '../../src/round/member.ts';
import type { Network } from './network.ts';
import { NetworkedCopy } from './networked-copy.ts';
import { group, type Replica } from './replica.ts';
import type { Run } from './run.ts';

export class SimulatedMember implements Member {
  readonly place: string;
  readonly name: string;
  readonly kind = 'tallystick';
  readonly #network: Network;
  readonly #run: Run;
  readonly #replica: Replica;

  constructor(network: Network, run: Run, replica: Replica) {
    this.place = replica.name;
    this.name = replica.name;
    this.#network = network;
    this.#run = run;
    this.#replica = replica;
  }

  async offer(): Promise<Offer> {
    const { store } = this.#replica;
    const { present, tree } = await this.#call('offer', async () => ({
      present: await store.hasGroup(),
      tree: await store.listedTree(),
    }));
    return {
      groups: present ? [{ group, shards: 1, offered: [0] }] : [],
      tree: () => tree,
      holds: () => true,
    };
  }

  copy(): ShardCopy {
    return new NetworkedCopy(this.#network, this.#run, this.#replica);
  }

  async build(orders: readonly BuildOrder[]): Promise<void> {
    if (orders.length === 0) return;
    await this.#call('build', () => this.#replica.store.build());
  }

  #call<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    return this.#network.call({ run: this.#run, replica: this.#replica, what, work });
  }
}
