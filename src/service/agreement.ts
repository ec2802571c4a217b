/** Whether the newest trees of a shard at all replicas have one root, and since when; from listings, between rounds. */
import type { ShardResource } from '../admin/resources.ts';
import { toHex } from '../lib/bytes.ts';
import type { VisitRecord } from './history.ts';
import type { PeerTree } from './peer-watch.ts';
import type { WatchedShard } from './shard-watch.ts';

export type Agreement = ShardResource['agreement'];

interface Known {
  state: Agreement['state'];
  sinceMs: number;
}

export class Agreements {
  readonly #known = new Map<string, Known>();

  /** Compares what is known of a shard now; `own` undefined where this replica has nothing of it. */
  look(
    group: string,
    shard: number,
    own: WatchedShard | undefined,
    ownPlace: string,
    peers: readonly PeerTree[],
    nowMs: number,
  ): Agreement {
    const { state, sinceMs } = this.#state(`${group}/${shard}`, stateOf(own, peers), nowMs);
    const copies = [
      {
        place: ownPlace,
        root: own?.tree ? toHex(own.tree.root) : null,
        leaves: own?.tree?.leaves ?? null,
        stale: own?.moved ?? null,
      },
      ...peers.map(({ place, tree }) => ({
        place,
        root: tree && toHex(tree.root),
        leaves: tree?.leaves ?? null,
        stale: tree?.stale ?? null,
      })),
    ];
    return { state, since: new Date(sinceMs).toISOString(), copies };
  }

  #state(key: string, state: Agreement['state'], nowMs: number): Known {
    const known = this.#known.get(key);
    if (known?.state === state) return known;
    const changed = { state, sinceMs: nowMs };
    this.#known.set(key, changed);
    return changed;
  }
}

function stateOf(own: WatchedShard | undefined, peers: readonly PeerTree[]): Agreement['state'] {
  const roots = [own?.tree?.root ?? null, ...peers.map(({ tree }) => tree?.root ?? null)];
  const told = roots.filter((root) => root !== null);
  const [first] = told;
  if (first !== undefined && told.some((root) => !root.equals(first))) return 'differs';
  return told.length < roots.length || peers.length === 0 ? 'unknown' : 'equal';
}

/**
 * Whether the newest trees differ although no copy was written to since its own: what replication has not brought
 * yet looks otherwise.
 */
export function settledCopiesDiffer(own: WatchedShard | undefined, peers: readonly PeerTree[]): boolean {
  const stale = own?.moved === true || peers.some(({ tree }) => tree?.stale === true);
  return !stale && stateOf(own, peers) === 'differs';
}

/** Of a cluster whose trees are seen in rounds only: what the last one found. */
export function visitedAgreement(visit: VisitRecord | null): Agreement {
  const state =
    visit?.outcome === 'converged' ? 'equal' : visit?.outcome === 'differs' ? 'differs' : 'unknown';
  return { state, since: visit && new Date(visit.visitedMs).toISOString(), copies: [] };
}
