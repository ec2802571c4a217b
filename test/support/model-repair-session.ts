/** The serving side of one repair stream, as the model node answers it: message in, messages out. */
import { create } from '@bufbuild/protobuf';
import {
  PropertySyncFromType as From,
  type RepairRequest,
  type RepairResponse,
  RepairResponseSchema,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import { type ModelDocument, type ModelNode, type ModelShard, syncOf } from './model-node.ts';

/** Leaves of a server, and slots of a client, asked for at a time. */
const pageSize = 10;

/** The page function is turned around: first come all but a page, then the page. */
export function pagesOf<Item>(items: readonly Item[]): Item[][] {
  const first = items.length > pageSize ? items.length - pageSize : items.length;
  return [items.slice(0, first), items.slice(first)].filter((page) => page.length > 0);
}

type Leaf = { slotIndex: number; exists: boolean; entity: string; sha: string };

export class ModelRepairSession {
  readonly #node: ModelNode;
  readonly #clientSlots: { slot: number; value: string }[] = [];
  #shard: ModelShard | null = null;
  #pages: Leaf[][] | null = null;
  #applied = false;
  /** How it ended; null while it goes on. */
  ended: 'ok' | 'unknown' | 'internal' | null = null;

  constructor(node: ModelNode) {
    this.#node = node;
  }

  receive({ data }: RepairRequest): RepairResponse[] {
    if (this.ended !== null) return [];
    if (this.#pages === null) return this.#collect(data);
    switch (data.case) {
      case 'propertyMissing': {
        const found = this.#shard?.newest(data.value.entity) ?? null;
        return found === null ? [] : [value(found, From.MISSING)];
      }
      case 'propertySync':
        return this.#push(data.value);
      case 'waitNextDiffer':
        return this.#nextPage();
      default:
        return [];
    }
  }

  /** The client sends no more. */
  close(): RepairResponse[] {
    if (this.ended !== null) return [];
    if (this.#pages === null) {
      this.ended = 'unknown';
      return [];
    }
    const rest: RepairResponse[] = [];
    while (this.ended === null) rest.push(...this.#nextPage());
    return rest;
  }

  /** The connection broke: what was applied stays, and the tree is built. */
  abort(): void {
    if (this.ended === null) this.#end('ok');
  }

  #collect(data: RepairRequest['data']): RepairResponse[] {
    if (data.case === 'treeRoot') {
      const { group, shardId, rootSha } = data.value;
      // Slots that were told before are those of another summary.
      this.#clientSlots.length = 0;
      // Whoever asks for a shard that is not there makes it.
      this.#shard = this.#node.shard(group, shardId);
      const found = this.#shard.tree !== null || this.#node.everBuilt;
      const matches = found && (this.#shard.tree?.root ?? '') === rootSha;
      if (!found) this.ended = 'unknown';
      else if (matches) this.ended = 'ok';
      return [response({ case: 'rootCompare', value: { treeFound: found, rootShaMatch: matches } })];
    }
    if (data.case !== 'treeSlots') return [];
    if (this.#shard === null) {
      this.ended = 'internal';
      return [];
    }
    const { slotSha } = data.value;
    this.#clientSlots.push(...slotSha);
    if (slotSha.length > 0) return [];
    this.#pages = this.#makePages(this.#shard);
    return this.#nextPage();
  }

  #makePages(shard: ModelShard): Leaf[][] {
    const known = new Map(this.#clientSlots.map(({ slot, value: digest }) => [slot, digest]));
    const own = shard.tree?.slots ?? [];
    const pages: Leaf[][] = [];
    for (const { slot, digest, leaves } of own) {
      if (known.get(slot) === digest) continue;
      const nodes = leaves.map((leaf) => ({
        slotIndex: slot,
        exists: true,
        entity: leaf.entity,
        sha: leaf.digest,
      }));
      pages.push(...pagesOf(nodes));
    }
    const lacking = this.#clientSlots.filter(({ slot }) => !own.some((held) => held.slot === slot));
    const absent = lacking.map(({ slot }) => ({ slotIndex: slot, exists: false, entity: '', sha: '' }));
    if (absent.length > 0) pages.push(absent);
    return [...pages, []];
  }

  #nextPage(): RepairResponse[] {
    const page = this.#pages?.shift();
    if (page !== undefined) return [response({ case: 'differTreeSummary', value: { nodes: page } })];
    this.#end('ok');
    return [];
  }

  #push(sync: Parameters<ModelShard['push']>[0]): RepairResponse[] {
    try {
      const { applied, own } = this.#shard?.push(sync) ?? { applied: false, own: null };
      this.#applied ||= applied;
      return own === null ? [] : [value(own, From.SYNC)];
    } catch {
      this.#end('internal');
      return [];
    }
  }

  // The tree is built anew before the client hears of the end.
  #end(how: 'ok' | 'internal'): void {
    if (this.#applied) this.#shard?.build();
    this.ended = how;
  }
}

function value(document: ModelDocument, from: From): RepairResponse {
  return response({ case: 'propertySync', value: { from, property: syncOf(document) } });
}

type ResponseData = NonNullable<Parameters<typeof create<typeof RepairResponseSchema>>[1]>['data'];

function response(data: NonNullable<ResponseData>): RepairResponse {
  return create(RepairResponseSchema, { data });
}
