/** BanyanDB's own repair between model nodes: the side that asks, and the ring. */
import { create } from '@bufbuild/protobuf';
import {
  PropertySyncFromType as From,
  type RepairRequest,
  RepairRequestSchema,
  type RepairResponse,
  type TreeLeafNode,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import { type ModelNode, type ModelShard, type ModelSlot, syncOf } from './model-node.ts';
import { ModelRepairSession, pagesOf } from './model-repair-session.ts';

type Leaf = ModelSlot['leaves'][number];

export interface RingShard {
  readonly group: string;
  readonly shard: number;
}

/** One way around: each node asks the next; as often as BanyanDB hands a message on. */
export function repairRing(nodes: readonly ModelNode[], shard: RingShard): void {
  const hops = 2 * nodes.length - 3;
  for (let hop = 0; hop < hops; hop++) {
    const client = nodes[hop % nodes.length];
    const server = nodes[(hop + 1) % nodes.length];
    if (client === undefined || server === undefined) throw new Error('a ring has nodes');
    repairOnce(client, server, shard);
  }
}

/** One exchange: the client asks the server. Returns what the client said. */
export function repairOnce(client: ModelNode, server: ModelNode, shard: RingShard): readonly RepairRequest[] {
  const exchange = new OwnRepair(client, server, shard);
  exchange.run();
  return exchange.requests;
}

/** One exchange, with the asking side's way through its own tree, faults included. */
class OwnRepair {
  readonly #shard: ModelShard;
  readonly #session: ModelRepairSession;
  readonly #place: RingShard;
  readonly #slots: readonly ModelSlot[];
  readonly #answers: RepairResponse[] = [];
  readonly #root: string;
  readonly requests: RepairRequest[] = [];
  #current: ModelSlot | null = null;
  #position = 0;
  #held: Leaf | null = null;
  #applied = false;

  constructor(client: ModelNode, server: ModelNode, place: RingShard) {
    this.#shard = client.shard(place.group, place.shard);
    this.#session = new ModelRepairSession(server);
    this.#place = place;
    this.#slots = this.#shard.tree?.slots ?? [];
    this.#root = this.#shard.tree?.root ?? '';
  }

  run(): void {
    const { group, shard } = this.#place;
    this.#send({ case: 'treeRoot', value: { group, shardId: shard, rootSha: this.#root } });
    const compared = this.#answers.shift();
    if (compared?.data.case !== 'rootCompare' || !compared.data.value.treeFound) return;
    if (compared.data.value.rootShaMatch) return;
    const slotSha = this.#slots.map(({ slot, digest }) => ({ slot, value: digest }));
    for (const page of pagesOf(slotSha)) this.#send({ case: 'treeSlots', value: { slotSha: page } });
    this.#send({ case: 'treeSlots', value: { slotSha: [] } });
    // Ends: the server has a bounded number of pages, and each answer is taken once.
    for (let answer = this.#answers.shift(); answer !== undefined; answer = this.#answers.shift()) {
      const { data } = answer;
      if (data.case === 'differTreeSummary') {
        this.#page(data.value.nodes);
        this.#send({ case: 'waitNextDiffer', value: {} });
      } else if (data.case === 'propertySync' && data.value.property !== undefined) {
        const { applied, own } = this.#shard.push(data.value.property);
        this.#applied ||= applied;
        if (own !== null && data.value.from !== From.MISSING)
          this.#send({ case: 'propertySync', value: syncOf(own) });
      }
    }
    this.#session.close();
    if (this.#applied) this.#shard.build();
  }

  #send(data: NonNullable<Parameters<typeof create<typeof RepairRequestSchema>>[1]>['data'] & object): void {
    const request: RepairRequest = create(RepairRequestSchema, { data });
    this.requests.push(request);
    this.#answers.push(...this.#session.receive(request));
  }

  #page(nodes: readonly TreeLeafNode[]): void {
    if (nodes.length === 0) {
      this.#sendRest();
      this.#current = null;
      if (this.#held !== null) this.#sendOwn(this.#held);
      return;
    }
    for (const node of nodes) {
      if (node.exists) this.#compare(node);
      else for (const leaf of this.#slot(node.slotIndex)?.leaves ?? []) this.#sendOwn(leaf);
    }
  }

  #compare({ slotIndex, entity, sha }: TreeLeafNode): void {
    if (this.#current !== null && this.#current.slot !== slotIndex) this.#sendRest();
    if (this.#current?.slot !== slotIndex) {
      const slot = this.#slot(slotIndex);
      if (slot === null) {
        this.#ask(entity);
        return;
      }
      this.#current = slot;
      this.#position = 0;
    }
    // Ends: every turn takes a leaf.
    for (;;) {
      const own = this.#held ?? this.#current?.leaves[this.#position++] ?? null;
      const order = own === null ? -1 : Buffer.compare(Buffer.from(entity), Buffer.from(own.entity));
      this.#held = order < 0 ? own : null;
      if (own === null || order < 0) {
        this.#ask(entity);
        return;
      }
      if (order > 0 || own.digest !== sha) this.#sendOwn(own);
      if (order === 0) return;
    }
  }

  #sendRest(): void {
    const { leaves } = this.#current ?? { leaves: [] };
    for (const leaf of leaves.slice(this.#position)) this.#sendOwn(leaf);
    this.#position = leaves.length;
  }

  #ask(entity: string): void {
    this.#send({ case: 'propertyMissing', value: { entity } });
  }

  #sendOwn({ entity }: Leaf): void {
    const own = this.#shard.newest(entity);
    if (own !== null) this.#send({ case: 'propertySync', value: syncOf(own) });
  }

  #slot(number: number): ModelSlot | null {
    return this.#slots.find(({ slot }) => slot === number) ?? null;
  }
}
