/** What the peers say of themselves: asked now and then, so that who is away and where trees differ is known before a round. */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { PeerClient, PeerListing } from '../peer/peer-client.ts';
import type { ViewDescription } from '../shard-copy/shard-copy.ts';
import type { Peers } from './members.ts';
import { holdsShard } from '../peer/held-shards.ts';
import type { PeerNode } from '../peer/nodes-file.ts';
import { PeerShardCopy } from '../peer/peer-shard-copy.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import type { OtherReplica, OtherReplicas } from '../property-store/replicas.ts';
import { WokenSleep } from './woken-sleep.ts';

export interface WatchedPeer {
  readonly place: string;
  /** What it calls itself, or else its name in the nodes file, or its address. */
  readonly name: string;
  /** Null until it was asked. */
  readonly reachable: boolean | null;
  readonly lastSeenMs: number | null;
  readonly latencyMs: number | null;
  /** As of when it was last seen. */
  readonly listing: PeerListing | null;
  readonly error: CodedError | null;
}

/** A peer's newest tree of one shard, as of the last listing. */
export interface PeerTree {
  readonly place: string;
  /** Null where it has none, or is away. */
  readonly tree: ViewDescription | null;
}

export interface LookEvents {
  /** Told how each peer answered, and the time before. */
  readonly onAsked: (peer: WatchedPeer, before: WatchedPeer | undefined) => void;
  /** Told of a place that is a peer no more. */
  readonly onGone: (place: string) => void;
}

/** Whether a peer is none of those known, to which it is added; one that does not tell or answer is. */
function isAnother({ reachable, listing }: WatchedPeer, known: Set<bigint>): boolean {
  const instance = listing?.instance ?? 0n;
  if (reachable !== true || instance === 0n) return true;
  const another = !known.has(instance);
  known.add(instance);
  return another;
}

export class PeerWatch implements OtherReplicas, Disposable {
  readonly #peers: Peers;
  readonly #clock: Clock;
  readonly #clients = new Map<string, PeerClient>();
  readonly #rest: WokenSleep;
  #watched: readonly WatchedPeer[] = [];

  constructor(peers: Peers, clock: Clock) {
    this.#peers = peers;
    this.#clock = clock;
    this.#rest = new WokenSleep(clock);
  }

  get peers(): readonly WatchedPeer[] {
    return this.#watched;
  }

  /** Has {@link rest} end now. */
  wake(): void {
    this.#rest.wake();
  }

  /** The time between two looks. */
  rest(intervalMs: number, signal: AbortSignal): Promise<void> {
    return this.#rest.sleep(intervalMs, signal);
  }

  /** Why it could not be read the last time who the peers are; null where it went well. */
  get listError(): CodedError | null {
    return this.#peers.listError;
  }

  /** Looks the peers up and asks all of them at once. Throws only `cancelled`. */
  async look(signal: AbortSignal, { onAsked, onGone }: LookEvents): Promise<void> {
    await this.#peers.lookUp(signal);
    const nodes = this.#peers.listed();
    const keys = new Set(nodes.map((node) => JSON.stringify(node)));
    for (const [key, client] of this.#clients) {
      if (keys.has(key)) continue;
      client[Symbol.dispose]();
      this.#clients.delete(key);
    }
    const asked = await Promise.all(
      nodes.map(async (node) => {
        const before = this.#find(node.grpcAddress);
        return { before, peer: await this.#ask(this.#client(node), node.name, before, signal) };
      }),
    );
    const known = new Set([this.#peers.instance]);
    const others = asked.filter(({ peer }) => isAnother(peer, known));
    const aliases = asked.filter((one) => !others.includes(one));
    this.#peers.setAliases(aliases.map(({ peer }) => peer.place));
    for (const { peer, before } of others) onAsked(peer, before);
    const gone = this.#watched.filter(({ place }) => !others.some(({ peer }) => peer.place === place));
    for (const { place } of gone) onGone(place);
    this.#watched = others.map(({ peer }) => peer);
  }

  #find(place: string): WatchedPeer | undefined {
    return this.#watched.find((one) => one.place === place);
  }

  #client(node: PeerNode): PeerClient {
    const key = JSON.stringify(node);
    const client = this.#clients.get(key) ?? this.#peers.client(node);
    this.#clients.set(key, client);
    return client;
  }

  /** Peers that hold a shard; one that has not told yet counts as holding it. */
  holding(group: string, shard: number): OtherReplica[] {
    return this.#peers.nodes().flatMap((node): OtherReplica[] => {
      const place = node.grpcAddress;
      const listing = this.#find(place)?.listing ?? null;
      if (listing !== null && !holdsShard(listing.held, group, shard)) return [];
      return [{ place, copy: (...at) => new PeerShardCopy(this.#client(node), ...at) }];
    });
  }

  /** Settings of a group that a peer has; null where none told of it. */
  groupSettings(group: string): GroupSettings | null {
    const shards = this.#watched.flatMap(({ listing }) => listing?.shards ?? []);
    return shards.find((one) => one.group === group)?.settings ?? null;
  }

  async #ask(
    client: PeerClient,
    listed: string,
    before: WatchedPeer | undefined,
    signal: AbortSignal,
  ): Promise<WatchedPeer> {
    const { place } = client;
    const startMs = this.#clock.monotonicMs();
    try {
      const listing = await client.listShards({}, signal);
      const latencyMs = this.#clock.monotonicMs() - startMs;
      return {
        place,
        name: listing.name,
        reachable: true,
        lastSeenMs: this.#clock.nowMs(),
        latencyMs,
        listing,
        error: null,
      };
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (signal.aborted) throw error;
      const { name = listed, lastSeenMs = null, listing = null } = before ?? {};
      return { place, name, reachable: false, lastSeenMs, latencyMs: null, listing, error };
    }
  }

  /** Shards that peers have, each once. */
  offered(): { group: string; shard: number }[] {
    const found = new Map<string, { group: string; shard: number }>();
    for (const { listing } of this.#watched) {
      for (const { group, shard } of listing?.shards ?? []) found.set(`${group}/${shard}`, { group, shard });
    }
    return [...found.values()];
  }

  /** The trees of one shard at the peers that hold it. */
  trees(group: string, shard: number): PeerTree[] {
    return this.#watched.map(({ place, reachable, listing }) => ({
      place,
      tree:
        reachable === true
          ? (listing?.shards.find((one) => one.group === group && one.shard === shard)?.tree ?? null)
          : null,
    }));
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client[Symbol.dispose]();
    this.#clients.clear();
  }
}
