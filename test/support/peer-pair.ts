/** A peer server on loopback over given shard copies, and a client of it. */
import { systemClock } from '../../src/lib/clock.ts';
import { CodedError } from '../../src/lib/coded-error.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import type { PeerConnectionOptions } from '../../src/peer/peer-connection.ts';
import { PeerServer, type PeerServerOptions } from '../../src/peer/peer-server.ts';
import type { ShardListing, ShardProvider } from '../../src/peer/shard-provider.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import type { ShardCopy } from '../../src/shard-copy/shard-copy.ts';

const settings: GroupSettings = { shards: 1, slots: 32, spelling: 'compact' };

/** Offers the copies given; each group has `settings`. */
export function providerOf(
  copies: readonly ShardCopy[],
  overrides: Partial<ShardProvider> = {},
): ShardProvider {
  return {
    name: 'tested',
    instance: 7n,
    held: null,
    list: async (filter) => {
      const listings: ShardListing[] = [];
      for (const copy of copies) {
        if (filter.group !== undefined && filter.group !== copy.group) continue;
        if (filter.shard !== undefined && filter.shard !== copy.shard) continue;
        await using view = await copy.openView();
        listings.push({ group: copy.group, shard: copy.shard, settings, tree: view.description });
      }
      return listings;
    },
    copy: async (group, shard) => {
      const found = copies.find((copy) => copy.group === group && copy.shard === shard);
      if (found === undefined)
        throw new CodedError('not-found', `there is no shard ${shard} of ${group}`, { group, shard });
      return found;
    },
    build: async function* () {
      yield {
        group: 'g',
        shard: 0,
        outcome: 'built',
        leaves: 3,
        generation: 7n,
        root: Buffer.alloc(64, 1),
        reason: null,
      };
    },
    ...overrides,
  };
}

export interface PeerPair extends AsyncDisposable {
  readonly server: PeerServer;
  readonly client: PeerClient;
  readonly port: number;
}

export async function startPair(
  provider: ShardProvider,
  options: {
    readonly server?: Partial<PeerServerOptions>;
    readonly client?: Partial<PeerConnectionOptions>;
  } = {},
): Promise<PeerPair> {
  const server = new PeerServer({ provider, clock: systemClock, ...options.server });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const client = new PeerClient({ place: `127.0.0.1:${port}`, clock: systemClock, ...options.client });
  return {
    server,
    client,
    port,
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
