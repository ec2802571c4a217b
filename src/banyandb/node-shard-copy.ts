/**
 * A BanyanDB node's copy of one shard, over its RepairService. Its view is one read-only walk of its tree, whose
 * leaves have no versions; values are read and pushed live. The shard must exist: a node that is asked for another
 * makes it.
 */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type {
  ApplyOptions,
  ApplySession,
  Fetched,
  ShardCopy,
  ShardView,
  StoredVersion,
  ViewOptions,
} from '../shard-copy/shard-copy.ts';
import type { BanyandbNode } from './banyandb-node.ts';
import { checkCandidate, decidePush } from './decide-push.ts';
import { fetchValues } from './fetch-values.ts';
import { NodeApplySession } from './node-apply.ts';
import { defaultDeleteExpiryMs, defaultPushesPerSecond } from './node-limits.ts';
import type { NodeTree } from './node-tree.ts';
import { nodeSpelling } from './node-version.ts';
import { NodeView, type NodeViewPlace } from './node-view.ts';
import type { NodePlace } from './repair-stream.ts';
import { hasRoot, walkTree } from './walk-tree.ts';

export interface NodeCopyOptions {
  /** Pushes a second, 0 for no limit; 200 by default. */
  readonly pushesPerSecond?: number | undefined;
  /**
   * How long the cluster keeps tombstones, in milliseconds; 7 days by default. A live version that is older is not
   * brought to a node that lacks the entity. Null brings all.
   */
  readonly deleteExpiryMs?: number | null | undefined;
}

export class NodeShardCopy implements ShardCopy, Disposable {
  readonly place: string;
  readonly group: string;
  readonly shard: number;
  readonly #node: BanyandbNode;
  readonly #shards: number | null;
  readonly #clock: Clock;
  readonly #options: NodeCopyOptions;
  /** As last walked; the node may have built another since. */
  #tree: NodeTree | null = null;

  constructor(node: BanyandbNode, { group, shard, shards }: NodeViewPlace, options: NodeCopyOptions = {}) {
    this.place = node.place;
    this.group = group;
    this.shard = shard;
    this.#node = node;
    this.#shards = shards;
    this.#clock = node.clock;
    this.#options = options;
  }

  /** Reads the whole tree, unless the node still has the one that was read last. */
  async openView({ spelling, signal }: ViewOptions = {}): Promise<ShardView> {
    if (spelling !== undefined) {
      const message = `${this.place} is a BanyanDB node: it gives its leaves in its own spelling only`;
      throw new CodedError('spelling-differs', message, { place: this.place });
    }
    const place = await this.#nodePlace(signal);
    const { limits } = this.#node;
    if (this.#tree === null || !(await hasRoot(place, this.#tree.root, signal))) {
      const tree = await walkTree(place, { limits, signal });
      this[Symbol.dispose]();
      this.#tree = tree;
    }
    const { group, shard } = this;
    return new NodeView({ group, shard, shards: this.#shards }, this.#tree.share());
  }

  async *fetch(keys: Iterable<Buffer>, signal?: AbortSignal): AsyncGenerator<readonly Fetched[]> {
    const place = await this.#nodePlace(signal);
    for await (const fetched of fetchValues(place, keys, { known: this.#tree, signal })) yield [fetched];
  }

  whyHeldBack(version: StoredVersion, own: StoredVersion | null): string | null {
    const { group, shard } = this;
    // What is not sound, or of another shard, is refused as it is applied, with the settings that come along then.
    if (this.#shards === null) return null;
    const checked = checkCandidate(version, { group, shard, shards: this.#shards, spelling: nodeSpelling });
    if ('heldBack' in checked) return checked.heldBack;
    if ('unsound' in checked) return null;
    const decided = decidePush(own, checked, { oldestBroughtNs: this.#oldestBroughtNs() });
    return decided.push === 'hold back' ? decided.reason : null;
  }

  async openApply(options: ApplyOptions): Promise<ApplySession> {
    const { pushesPerSecond = defaultPushesPerSecond } = this.#options;
    const place = await this.#nodePlace(options.signal);
    return new NodeApplySession(place, {
      ...options,
      known: this.#tree,
      clock: this.#clock,
      pushesPerSecond,
      oldestBroughtNs: () => this.#oldestBroughtNs(),
    });
  }

  #oldestBroughtNs(): bigint | null {
    const { deleteExpiryMs = defaultDeleteExpiryMs } = this.#options;
    return deleteExpiryMs === null ? null : this.#clock.nowNs() - BigInt(deleteExpiryMs) * 1_000_000n;
  }

  /** Forgets the tree that was read; views of it stay. */
  [Symbol.dispose](): void {
    this.#tree?.[Symbol.dispose]();
    this.#tree = null;
  }

  async #nodePlace(signal: AbortSignal | undefined): Promise<NodePlace> {
    const { group, shard } = this;
    const { connection, deadlines } = await this.#node.repair(signal);
    return { connection, deadlines, group, shard };
  }
}
