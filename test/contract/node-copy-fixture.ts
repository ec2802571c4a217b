/** Shard 0 of group `g` at a model of a BanyanDB node behind a real socket, as tests load, read and write it. */
import type { BanyandbNode } from '../../src/banyandb/banyandb-node.ts';
import { type NodeCopyOptions, NodeShardCopy } from '../../src/banyandb/node-shard-copy.ts';
import type { StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { type ServedNode, serveNode } from '../support/model-cluster.ts';
import { ModelNode, type ModelShard } from '../support/model-node.ts';

export class NodeCopyFixture implements AsyncDisposable {
  readonly node: ModelNode;
  readonly served: ServedNode;
  readonly client: BanyandbNode;
  /** Pushes as fast as it can, old versions too. */
  readonly copy: NodeShardCopy;

  private constructor(node: ModelNode, served: ServedNode) {
    this.node = node;
    this.served = served;
    this.client = served.client();
    this.copy = this.copyWith({ pushesPerSecond: 0, deleteExpiryMs: null });
  }

  static async open(options: ConstructorParameters<typeof ModelNode>[0] = {}): Promise<NodeCopyFixture> {
    const node = new ModelNode(options);
    return new NodeCopyFixture(node, await serveNode(node));
  }

  get shard(): ModelShard {
    return this.node.shard('g', 0);
  }

  /** Another copy over the same client. */
  copyWith(options: NodeCopyOptions): NodeShardCopy {
    return new NodeShardCopy(this.client, { group: 'g', shard: 0, shards: 1 }, options);
  }

  /** Puts versions into the node, which then builds its tree. */
  load(versions: readonly StoredVersion[]): void {
    for (const version of versions) this.shard.load(version);
    this.node.build();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.copy[Symbol.dispose]();
    this.client[Symbol.dispose]();
    await this.served.stop();
  }
}
