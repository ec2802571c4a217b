/** One shard of a peer as a shard copy, over the wire. What a peer sends is checked before it is passed on. */
import type {
  ApplyOptions,
  ApplySession,
  Fetched,
  ShardCopy,
  ShardView,
  ViewOptions,
} from '../shard-copy/shard-copy.ts';
import { openPeerApply } from './peer-apply.ts';
import type { PeerClient } from './peer-client.ts';
import { fetchFromPeer } from './peer-fetch.ts';
import { openPeerView } from './peer-view.ts';

export class PeerShardCopy implements ShardCopy {
  readonly group: string;
  readonly shard: number;
  readonly #client: PeerClient;

  /** The client stays the caller's: one serves all shards of its peer, and is disposed after them. */
  constructor(client: PeerClient, group: string, shard: number) {
    this.#client = client;
    this.group = group;
    this.shard = shard;
  }

  get place(): string {
    return this.#client.place;
  }

  async openView(options: ViewOptions = {}): Promise<ShardView> {
    return await openPeerView(this.#client.connection, this.#at(), options);
  }

  fetch(keys: Iterable<Buffer>, signal?: AbortSignal): AsyncIterable<readonly Fetched[]> {
    return fetchFromPeer(this.#client.connection, this.#at(), { keys, signal });
  }

  async openApply(options: ApplyOptions): Promise<ApplySession> {
    return await openPeerApply(this.#client.connection, this.#at(), options);
  }

  #at(): { group: string; shard: number } {
    return { group: this.group, shard: this.shard };
  }
}
