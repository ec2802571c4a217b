/** What a simulated replica serves over the wire: the calls of production over its store. */
import type { ShardListing, ShardProvider } from '../../src/peer/shard-provider.ts';
import { createRoutes } from '../../src/peer/serve-calls.ts';
import { ViewLeases } from '../../src/peer/view-leases.ts';
import { defaultWireDeadlines, defaultWireLimits } from '../../src/peer/wire-limits.ts';
import { CodedError } from '../../src/lib/coded-error.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { group, type Replica, type Serving } from './replica.ts';

/** Leaves, slots and fetched versions in a message, in bytes, and views it keeps: so few that there are pages to cut. */
export interface Narrowness {
  readonly pageBytesMax: number;
  readonly fetchBatchBytesMax: number;
  readonly leasesMax: number;
}

export function narrowness(random: SeededRandom): Narrowness {
  return {
    pageBytesMax: random.pick([1, 300, defaultWireLimits.pageBytesMax]),
    fetchBatchBytesMax: random.pick([1, 300, defaultWireLimits.fetchBatchBytesMax]),
    leasesMax: random.pick([1, 2, 16]),
  };
}

export function serveReplica(replica: Replica, settings: GroupSettings, narrow: Narrowness): Serving {
  const { clock } = replica;
  const leases = new ViewLeases(clock, narrow.leasesMax);
  const limits = { ...defaultWireLimits, ...narrow };
  const handlers = createRoutes({
    call: { clock, limits, deadlines: defaultWireDeadlines },
    provider: providerOf(replica, settings),
    leases,
    compression: false,
    isServing: () => true,
  });
  return { handlers, [Symbol.asyncDispose]: async () => await leases[Symbol.asyncDispose]() };
}

function providerOf({ name, store }: Replica, settings: GroupSettings): ShardProvider {
  return {
    name,
    instance: 0n,
    held: null,
    list: async (): Promise<ShardListing[]> =>
      (await store.hasGroup()) ? [{ group, shard: 0, settings, tree: await store.listedTree() }] : [],
    copy: async (wanted, shard) => {
      if (wanted === group && shard === 0) return store.copy;
      throw new CodedError('not-found', `${name} has no shard ${shard} of ${wanted}`, { group, shard });
    },
    build: async function* () {
      const about = { group, shard: 0, reason: null };
      yield { ...about, outcome: 'running', leaves: 0, generation: null, root: null };
      await store.build();
      const tree = await store.listedTree();
      const { leaves = 0, generation = null, root = null } = tree ?? {};
      yield { ...about, outcome: 'built', leaves, generation, root };
    },
  };
}
