/**
 * Reads a node's whole tree: of all slots none is said to be known, so it sends the leaves of each. Reads only. A node
 * does not tell its root or slot digests; they are composed from the leaves, and a second question (one message
 * each way) has the node say that its root is that one. So what was read is one whole tree, to the last leaf.
 */
import { compareBytes, toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { entityBytesMax, entityKey, splitEntity } from '../property/entity.ts';
import { slotsMax } from '../property/group-settings.ts';
import type { TreeLeafNode } from './generated/banyandb/property/v1/repair_pb.ts';
import { type NodeLimits, walksMax } from './node-limits.ts';
import { type NodeTree, NodeTreeBuilder } from './node-tree.ts';
import { type NodePlace, noRoot, RepairStream } from './repair-stream.ts';

export interface WalkOptions {
  readonly limits: NodeLimits;
  readonly signal?: AbortSignal | undefined;
}

/** Throws `no-tree`, `too-large`, `bad-message`, and `generation-gone` where the tree changes time and again. */
export async function walkTree(place: NodePlace, options: WalkOptions): Promise<NodeTree> {
  for (let walk = 0; walk < walksMax; walk++) {
    const tree = await walkOnce(place, options);
    try {
      if (await hasRoot(place, tree.root, options.signal)) return tree.share();
    } finally {
      tree[Symbol.dispose]();
    }
  }
  const { connection, group, shard } = place;
  throw new CodedError(
    'generation-gone',
    `${connection.place} built its tree of group ${group}, shard ${shard} anew each time it was read; try again later`,
    { place: connection.place, group, shard },
  );
}

/** Whether the node's tree has this root now. */
export async function hasRoot(place: NodePlace, root: Buffer, signal?: AbortSignal): Promise<boolean> {
  using stream = new RepairStream(place, signal);
  return await stream.compareRoot(toHex(root));
}

async function walkOnce(place: NodePlace, { limits, signal }: WalkOptions): Promise<NodeTree> {
  const { connection, deadlines, group, shard } = place;
  using stream = new RepairStream(place, signal);
  await stream.compareRoot(noRoot);
  stream.sendSlots([]);
  using tree = await NodeTreeBuilder.create();
  const reader = new LeafReader(place, tree, limits);
  // Ends: each page has leaves, which are bounded.
  for (;;) {
    const answer = await stream.next('reading leaves', deadlines.pageMs);
    if (answer?.data.case !== 'differTreeSummary') {
      throw connection.wrong('no page of leaves where one was due', { group, shard });
    }
    throwIfAborted(signal);
    const { nodes } = answer.data.value;
    if (nodes.length === 0) return await tree.finish();
    for (const leaf of nodes) {
      if (tree.isFull) await tree.flush();
      reader.add(leaf);
    }
    stream.send({ case: 'waitNextDiffer', value: {} });
  }
}

/** Holds the leaves to what a tree promises: slots and keys ascend, each is of the group. */
class LeafReader {
  readonly #place: NodePlace;
  readonly #limits: NodeLimits;
  readonly #tree: NodeTreeBuilder;
  #previous: Buffer | null = null;

  constructor(place: NodePlace, tree: NodeTreeBuilder, limits: NodeLimits) {
    this.#place = place;
    this.#tree = tree;
    this.#limits = limits;
  }

  add({ slotIndex, exists, entity, sha }: TreeLeafNode): void {
    const { slot } = this.#tree;
    if (!exists || slotIndex < slot || slotIndex >= slotsMax) {
      throw this.#wrong(`a leaf of slot ${slotIndex} after slot ${slot}`);
    }
    if (!/^[\da-f]{128}$/.test(sha)) throw this.#wrong(`a digest that is none of ${nameOf(entity)}`);
    const key = this.#keyOf(entity);
    if (slotIndex === slot && this.#previous !== null && compareBytes(this.#previous, key) >= 0) {
      throw this.#wrong(`${nameOf(entity)} out of order in slot ${slotIndex}`);
    }
    this.#previous = key;
    this.#tree.add(slotIndex, key, Buffer.from(sha, 'hex'));
    const { treeBytesMax } = this.#limits;
    if (this.#tree.bytes <= treeBytesMax) return;
    const { connection, group, shard } = this.#place;
    const message = `the tree of group ${group}, shard ${shard} at ${connection.place} has more than ${treeBytesMax} bytes of leaves`;
    throw new CodedError('too-large', message, {
      place: connection.place,
      group,
      shard,
      ceiling: treeBytesMax,
    });
  }

  #keyOf(entity: string): Buffer {
    const { group } = this.#place;
    if (Buffer.byteLength(entity) > entityBytesMax)
      throw this.#wrong(`an entity of ${entity.length} characters`);
    try {
      const split = splitEntity(entity);
      if (split.group === group) return entityKey(split);
    } catch (error) {
      throw this.#wrong(`an entity that is none: ${CodedError.from(error).message}`);
    }
    throw this.#wrong(`${nameOf(entity)} in the tree of group ${group}`);
  }

  #wrong(what: string): CodedError {
    const { connection, group, shard } = this.#place;
    return connection.wrong(what, { group, shard });
  }
}

function nameOf(entity: string): string {
  return JSON.stringify(entity.slice(0, 300));
}
