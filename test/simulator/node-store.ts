/**
 * The store of a simulated BanyanDB node: the model node, reached over its own wire only. Its rule for pushed versions
 * is no join, and its own repair brings deletes back; what that does is told apart from what is done by us.
 */
import { createConnectRouter, type HandlerContext } from '@connectrpc/connect';
import type { RepairRequest } from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import { fromWireProperty } from '../../src/banyandb/node-property.ts';
import { callOriginKey } from '../../src/peer/served-call.ts';
import { entityKey, joinEntity, splitEntity } from '../../src/property/entity.ts';
import type { Property } from '../../src/property/property.ts';
import { parseSource } from '../../src/property/source-json.ts';
import type { Version } from '../../src/property/version.ts';
import type { ShardCopy, ViewDescription } from '../../src/shard-copy/shard-copy.ts';
import { type ModelDocument, ModelNode, type ModelShard } from '../support/model-node.ts';
import { nodeRoutes } from '../support/model-routes.ts';
import { makeVersion } from '../support/versions.ts';
import { isAtNode, Violation } from './invariants.ts';
import { type Contents, entityName, group, type Serving, type Store } from './replica.ts';
import type { SkewedClock } from './virtual-time.ts';

export interface NodeStoreOptions {
  readonly place: string;
  readonly clock: SkewedClock;
  readonly slots: number;
  readonly onViolation: (violation: Violation) => void;
  /** Told of entities that went back by the node's own rules. */
  readonly onWentBack: (
    key: string,
    how: 'BanyanDB brings a delete back' | 'push overtaken by a delete',
  ) => void;
}

export class NodeStore implements Store {
  readonly hasCrashPoints = false;
  readonly node: ModelNode;
  /** Versions that coordinators of ours pushed. */
  pushes = 0;
  readonly #options: NodeStoreOptions;
  readonly #shard: ModelShard;
  readonly #builtOf = new Map<string, Contents>();
  /** By run and entity, what the node last answered to the question what it has. */
  readonly #told = new Map<string, ModelDocument | null>();

  constructor(options: NodeStoreOptions) {
    const { place, clock, slots } = options;
    this.#options = options;
    this.node = new ModelNode({
      name: place,
      slots,
      now: () => clock.nowNs(),
      onBuild: (shard) => this.#builtOf.set(shard.tree?.root ?? '', contentsOf(shard)),
    });
    this.#shard = this.node.shard(group, 0);
    this.node.build();
  }

  get copy(): ShardCopy {
    throw new Error('a node is reached over its wire only');
  }

  async write(id: string, value: string, revision: bigint | null): Promise<void> {
    const newest = this.contents().get(keyOf(id))?.revision ?? 0n;
    const now = this.#options.clock.nowNs();
    const stamped = revision ?? (now > newest ? now : newest + 1n);
    // Whoever writes through the cluster writes no older revision than there is.
    if (stamped <= newest) return;
    this.#shard.write(parseSource(makeVersion({ name: entityName, id, value, revision: stamped }).source));
  }

  async remove(id: string): Promise<void> {
    this.#shard.remove({ group, name: entityName, id });
  }

  async build(): Promise<void> {
    this.node.build();
  }

  /** Does something of its own, such as its repair, and tells what went back. */
  static byThemselves(stores: readonly NodeStore[], work: () => void): void {
    const before = stores.map((store) => store.contents());
    work();
    for (const [at, store] of stores.entries()) {
      const now = store.contents();
      for (const [key, old] of before[at] ?? []) {
        const version = now.get(key);
        if (version === undefined || !isAtNode(version, old))
          store.#options.onWentBack(key, 'BanyanDB brings a delete back');
      }
    }
  }

  async hasGroup(): Promise<boolean> {
    return true;
  }

  async listedTree(): Promise<ViewDescription | null> {
    return null;
  }

  /** Root of its newest tree in hex. */
  get root(): string {
    return this.#shard.tree?.root ?? '';
  }

  contents(): Contents {
    return contentsOf(this.#shard);
  }

  /** What it answers of each entity: of two documents of one revision not the one that its tree takes. */
  answers(): Contents {
    const answers = new Map<string, Version>();
    for (const [entity] of this.#shard.treeDocuments()) {
      const document = this.#shard.newest(entity);
      if (document !== null) answers.set(keyOf(document.property.id), versionOf(document));
    }
    return answers;
  }

  everything(): Contents[] {
    return this.#shard.documents.map(
      (document) => new Map([[keyOf(document.property.id), versionOf(document)]]),
    );
  }

  /**
   * Whether it keeps two documents of the newest revision: its own repair makes such pairs of tombstones. Its tree takes
   * the one and its answers the other, until a push or its own repair settles it.
   */
  isDoubled(key: string): boolean {
    const revision = this.contents().get(key)?.revision;
    const newest = this.#shard.documents.filter(
      ({ property }) => keyOf(property.id) === key && property.modRevision === revision,
    );
    return newest.length > 1;
  }

  builtOf({ root }: ViewDescription): Contents | null {
    return this.#builtOf.get(root.toString('hex')) ?? null;
  }

  hasLeftovers(): boolean {
    return false;
  }

  backUp(): void {}

  restore(): boolean {
    return false;
  }

  async close(): Promise<void> {}

  serve(): Serving {
    const router = createConnectRouter({ grpc: true, grpcWeb: false, connect: false });
    nodeRoutes(this.node, { onRequest: (request, context) => this.#hear(request, context) })(router);
    return { handlers: router.handlers, [Symbol.asyncDispose]: async () => undefined };
  }

  #hear({ data }: RepairRequest, { values }: HandlerContext): void {
    const run = values.get(callOriginKey).peer ?? '';
    if (data.case === 'propertyMissing') {
      const { entity } = data.value;
      this.#told.set(`${run} ${entity}`, this.#shard.newest(entity));
    }
    if (data.case !== 'propertySync' || data.value.property === undefined) return;
    this.pushes += 1;
    this.#holdPush(run, fromWireProperty(data.value.property), data.value.deleteTime);
  }

  /** A live version takes the place of a tombstone only where the node has not told of the tombstone. */
  #holdPush(run: string, property: Property, deleteTime: bigint): void {
    const held = this.contents().get(keyOf(property.id));
    const undoes =
      deleteTime === 0n &&
      held !== undefined &&
      held.deleteTime !== 0n &&
      held.revision === property.modRevision;
    if (!undoes) return;
    const entity = joinEntity(property);
    const told = this.#told.get(`${run} ${entity}`);
    if (told === undefined || (told !== null && told.property.modRevision >= property.modRevision)) {
      const what = `${run} pushed ${entity} live to ${this.#options.place}, which had told it of the delete`;
      this.#options.onViolation(new Violation(what));
    }
    this.#options.onWentBack(keyOf(property.id), 'push overtaken by a delete');
  }
}

function keyOf(id: string): string {
  return entityKey({ name: entityName, id }).toString('latin1');
}

function versionOf({ property, deleteTime, digest }: ModelDocument): Version {
  return { revision: property.modRevision, deleteTime, digest: Buffer.from(digest, 'hex') };
}

function contentsOf(shard: ModelShard): Contents {
  return new Map(
    [...shard.treeDocuments()].map(([entity, document]) => [
      entityKey(splitEntity(entity)).toString('latin1'),
      versionOf(document),
    ]),
  );
}
