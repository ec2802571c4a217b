/**
 * A BanyanDB data node as a model: its documents, its rule for pushed versions, its trees and its answers to a repair
 * stream, each as the real one has them, faults included. Plain and slow; nothing of it is shared with the sources
 * that it tests, beyond what a property, a digest and a message are.
 */
import { hash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import {
  type PropertySync,
  PropertySyncSchema,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import { fromWireProperty, toWireProperty } from '../../src/banyandb/node-property.ts';
import { sourceDigest } from '../../src/property/digest.ts';
import { joinEntity } from '../../src/property/entity.ts';
import { entityHash } from '../../src/property/placement.ts';
import type { Property } from '../../src/property/property.ts';
import { parseSource, type Spelling, spellProperty } from '../../src/property/source-json.ts';
import type { GoldenDocument } from './golden.ts';

/** One version in the index; several may stand under one id. */
export interface ModelDocument {
  /** GROUP/NAME/ID/REVISION. */
  readonly id: string;
  readonly property: Property;
  readonly deleteTime: bigint;
  /** Hex. */
  readonly digest: string;
}

export interface ModelTree {
  /** Slots that hold leaves, ascending. */
  readonly slots: readonly ModelSlot[];
  /** Hex; empty for an empty tree. */
  readonly root: string;
}

export interface ModelSlot {
  readonly slot: number;
  readonly digest: string;
  readonly leaves: readonly { readonly entity: string; readonly digest: string }[];
}

export interface ModelNodeOptions {
  readonly name?: string;
  readonly spelling?: Spelling;
  readonly slots?: number;
  /** Nanoseconds; by default every call is a millisecond later. */
  readonly now?: () => bigint;
  /** What `build` has done once for the whole node: a shard without a tree then counts as an empty one. */
  readonly everBuilt?: boolean;
  /** Told of every tree that a shard built. */
  readonly onBuild?: (shard: ModelShard) => void;
}

/** Documents that a build reads at a time. */
const builtAtATime = 100;

/** Documents that a search looks at, in index order. */
const searchedMax = 100;

export class ModelNode {
  readonly name: string;
  readonly #spelling: Spelling;
  readonly #slots: number;
  readonly #shards = new Map<string, ModelShard>();
  readonly #now: () => bigint;
  readonly #onBuild: (shard: ModelShard) => void;
  everBuilt: boolean;

  constructor(options: ModelNodeOptions = {}) {
    this.name = options.name ?? 'model';
    this.#spelling = options.spelling ?? 'compact';
    this.#slots = options.slots ?? 32;
    this.everBuilt = options.everBuilt ?? false;
    this.#onBuild = options.onBuild ?? (() => undefined);
    let time = 1_800_000_000_000_000_000n;
    this.#now = options.now ?? (() => (time += 1_000_000n));
  }

  /** Names of all shards it has, as GROUP/NUMBER. */
  get shards(): string[] {
    return [...this.#shards.keys()];
  }

  /** The shard; made where it is not there yet. */
  shard(group: string, number: number): ModelShard {
    const id = `${group}/${number}`;
    const shard =
      this.#shards.get(id) ?? new ModelShard(this.#spelling, this.#slots, this.#now, this.#onBuild);
    this.#shards.set(id, shard);
    return shard;
  }

  /** Builds the trees of all shards. */
  build(): void {
    for (const shard of this.#shards.values()) shard.build();
    this.everBuilt = true;
  }
}

export class ModelShard {
  /** In index order. */
  documents: ModelDocument[] = [];
  tree: ModelTree | null = null;
  readonly #spelling: Spelling;
  readonly #slots: number;
  readonly #now: () => bigint;
  readonly #onBuild: (shard: ModelShard) => void;

  constructor(
    spelling: Spelling,
    slots: number,
    now: () => bigint,
    onBuild: (shard: ModelShard) => void = () => undefined,
  ) {
    this.#spelling = spelling;
    this.#slots = slots;
    this.#now = now;
    this.#onBuild = onBuild;
  }

  /** Takes documents as a recorded index has them. */
  loadRecorded(documents: readonly GoldenDocument[]): void {
    for (const { id, source, deleteTime, sha } of documents) {
      this.documents.push({ id, property: parseSource(source), deleteTime: BigInt(deleteTime), digest: sha });
    }
  }

  /** Has the version, by a write and, where it is a tombstone, a delete. */
  load({ source, deleteTime }: { readonly source: string; readonly deleteTime: bigint }): void {
    const property = parseSource(source);
    this.write(property);
    if (deleteTime !== 0n) this.remove(property, deleteTime);
  }

  /** A document as this node would store it now. */
  document(property: Property, deleteTime: bigint): ModelDocument {
    const digest = sourceDigest(spellProperty(property, this.#spelling), deleteTime).toString('hex');
    return { id: `${joinEntity(property)}/${property.modRevision}`, property, deleteTime, digest };
  }

  /** A write as a liaison sends it: a live version, and tombstones of the live ones before it. */
  write(property: Property): void {
    this.#update([...this.#tombstonesOf(this.search(property)), this.document(property, 0n)]);
  }

  /** A delete: the live versions become tombstones, at this node's time. */
  remove(entity: Pick<Property, 'group' | 'name' | 'id'>, deleteTime?: bigint): void {
    const live = this.search(entity).filter((document) => document.deleteTime === 0n);
    this.#update(live.map(({ property }) => this.document(property, deleteTime ?? this.#now())));
  }

  search({ group, name, id }: Pick<Property, 'group' | 'name' | 'id'>): ModelDocument[] {
    const found = this.documents.filter(
      ({ property }) => property.group === group && property.name === name && property.id === id,
    );
    return found.slice(0, searchedMax);
  }

  /** What it answers to PropertyMissing: of equal revisions the first. */
  newest(entity: string): ModelDocument | null {
    const [group = '', name = '', ...rest] = entity.split('/');
    let newest: ModelDocument | null = null;
    for (const document of this.search({ group, name, id: rest.join('/') })) {
      if (newest === null || document.property.modRevision > newest.property.modRevision) newest = document;
    }
    return newest;
  }

  /** The rule for a pushed version; returns the node's own where that stays. Throws what the real one panics with. */
  push(sync: PropertySync): { readonly applied: boolean; readonly own: ModelDocument | null } {
    if (sync.property?.metadata === undefined) throw new Error('nil dereference');
    const property = fromWireProperty(sync.property);
    const { deleteTime } = sync;
    const older = this.search(property).sort((a, b) =>
      Number(a.property.modRevision - b.property.modRevision),
    );
    const last = older.at(-1);
    const { modRevision = 0n } = last?.property ?? {};
    const stays =
      modRevision > property.modRevision ||
      (modRevision === property.modRevision && last?.deleteTime === deleteTime);
    if (last !== undefined && stays) return { applied: false, own: last };
    // Looked at only now: what it cannot store and need not store is no matter.
    for (const { value } of property.tags) {
      if (value?.kind === 'intArray' && value.value.length === 0) throw new Error('index out of range');
      // A tag without a value is an error of which nobody hears.
      if (value === null || value.kind === 'empty') return { applied: false, own: null };
    }
    const incoming = { ...this.document(property, deleteTime), id: Buffer.from(sync.id).toString() };
    this.#update([...this.#tombstonesOf(older), incoming]);
    return { applied: true, own: null };
  }

  /** By entity, what a tree takes: the greatest revision; of two documents of one id the later, if a page has both. */
  treeDocuments(): Map<string, ModelDocument> {
    const newest = new Map<string, ModelDocument>();
    for (const document of this.#inPages()) newest.set(joinEntity(document.property), document);
    return newest;
  }

  build(): void {
    const leaves = [...this.treeDocuments().values()];
    const bySlot = new Map<number, { entity: string; digest: string }[]>();
    for (const { property, digest } of leaves) {
      const slot = Number(entityHash(property) % BigInt(this.#slots));
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), { entity: joinEntity(property), digest }]);
    }
    const slots = [...bySlot]
      .sort(([a], [b]) => a - b)
      .map(([slot, held]) => ({ slot, digest: compose(held), leaves: held }));
    this.tree = { slots, root: slots.length === 0 ? '' : compose(slots) };
    this.#onBuild(this);
  }

  /** In the order of a build, which asks for a page of what is greater than the last one it saw. */
  #inPages(): ModelDocument[] {
    const rest = this.documents.toSorted((a, b) => compareTuples(a.property, b.property));
    const read: ModelDocument[] = [];
    while (rest.length > 0) {
      const page = rest.splice(0, builtAtATime);
      read.push(...page);
      const last = page.at(-1);
      while (rest[0] !== undefined && last !== undefined && rest[0].id === last.id) rest.shift();
    }
    return read;
  }

  // An update takes away every document whose id is in the batch, and then adds the whole batch.
  #update(batch: readonly ModelDocument[]): void {
    const ids = new Set(batch.map(({ id }) => id));
    this.documents = [...this.documents.filter(({ id }) => !ids.has(id)), ...batch];
  }

  #tombstonesOf(documents: readonly ModelDocument[]): ModelDocument[] {
    const time = this.#now();
    return documents
      .filter(({ deleteTime }) => deleteTime === 0n)
      .map(({ property }) => this.document(property, time));
  }
}

/** A document as it goes over the wire. */
export function syncOf({ id, property, deleteTime }: ModelDocument): PropertySync {
  return create(PropertySyncSchema, { id: Buffer.from(id), property: toWireProperty(property), deleteTime });
}

function compose(parts: readonly { readonly digest: string }[]): string {
  return hash('sha512', parts.map(({ digest }) => digest).join(''));
}

function compareTuples(a: Property, b: Property): number {
  for (const member of ['group', 'name', 'id'] as const) {
    const order = Buffer.compare(Buffer.from(a[member]), Buffer.from(b[member]));
    if (order !== 0) return order;
  }
  return Number(a.modRevision - b.modRevision);
}
