/**
 * A view of a peer's shard copy. Holds what the peer promised (its description, then its slots) and checks
 * every page against it before it goes on: order, placement, counts, and that leaves make the slot's digest and
 * slots the root. The peer pins the generation until a minute after the last call.
 */
import { compareBytes, toHex } from '../lib/bytes.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { entityKey, parseEntityKey } from '../property/entity.ts';
import { entityHash, shardOf, slotOf } from '../property/placement.ts';
import { slotsMax } from '../property/group-settings.ts';
import { digestBytes, digestHeadBytes } from '../property/version.ts';
import { DigestComposer } from '../property/tree-digest.ts';
import type {
  Leaf,
  LeafPage,
  ShardView,
  SlotSummary,
  ViewDescription,
  ViewOptions,
} from '../shard-copy/shard-copy.ts';
import type { SlotsResponse } from './generated/tallystick/v1/shard_pb.ts';
import type { PeerConnection } from './peer-connection.ts';
import { decodeLeafPage, decodeSlots } from './wire-pages.ts';
import { fromWireTree, toWireSpelling } from './wire-tree.ts';

export interface PeerPlace {
  readonly group: string;
  readonly shard: number;
}

/** Opens a view of the newest generation. Throws `no-tree`, `spelling-differs` as the peer says. */
export async function openPeerView(
  connection: PeerConnection,
  place: PeerPlace,
  { spelling, signal }: ViewOptions,
): Promise<PeerView> {
  const request = { ...place, spelling: toWireSpelling(spelling ?? null), headerOnly: true };
  const answers = connection.listen((options) => connection.shards.slots(request, options), {
    step: 'opening a view',
    firstMs: connection.deadlines.openViewMs,
    signal,
  });
  let first: SlotsResponse | null = null;
  for await (const answer of answers) {
    if (first !== null) throw connection.wrong('pages of slots where only a header was asked for');
    first = answer;
  }
  const header = first?.header;
  if (first === null || header === undefined) throw connection.wrong('no header of a view');
  const description = checked(connection, () => fromWireTree(header, place));
  if (spelling !== undefined && description.spelling !== null && description.spelling !== spelling) {
    throw connection.wrong(`a view spelled ${description.spelling} where ${spelling} was asked for`);
  }
  if (first.lease === undefined && description.leaves > 0) throw connection.wrong('a view without a lease');
  return new PeerView(connection, description, first.lease ?? null);
}

/** Runs a decoder; what it throws names the peer. */
export function checked<T>(connection: PeerConnection, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw connection.error(error);
  }
}

export class PeerView implements ShardView {
  readonly description: ViewDescription;
  readonly #connection: PeerConnection;
  #lease: bigint | null;
  /** All slots once they were read and found to make the root. */
  #summaries: readonly SlotSummary[] | null = null;

  constructor(connection: PeerConnection, description: ViewDescription, lease: bigint | null) {
    this.#connection = connection;
    this.description = description;
    this.#lease = lease;
  }

  async *slots(signal?: AbortSignal): AsyncGenerator<readonly SlotSummary[]> {
    throwIfAborted(signal);
    const summaries: SlotSummary[] = [];
    const { group, shard, slotScheme } = this.description;
    const composer = new DigestComposer();
    const slots = slotScheme?.slots ?? slotsMax;
    let previous = -1;
    let leaves = 0;
    for await (const page of this.#slotPages(signal)) {
      for (const summary of page) {
        const { slot } = summary;
        if (slot <= previous || slot >= slots || summary.leaves < 1) {
          const what = `slot ${slot} with ${summary.leaves} leaves after slot ${previous} of ${slots}`;
          throw this.#connection.wrong(what, { group, shard, slot });
        }
        previous = slot;
        leaves += summary.leaves;
        composer.update(summary.digest);
        summaries.push(summary);
      }
      yield page;
    }
    if (compareBytes(composer.finish(), this.description.root) !== 0) {
      throw this.#connection.wrong('slots that do not make its root', { group, shard });
    }
    if (leaves !== this.description.leaves) {
      throw this.#connection.wrong(`slots of ${leaves} leaves after announcing ${this.description.leaves}`, {
        group,
        shard,
      });
    }
    this.#summaries = summaries;
  }

  async *#slotPages(signal?: AbortSignal): AsyncGenerator<SlotSummary[]> {
    const { group, shard, leaves } = this.description;
    if (this.#lease === null || leaves === 0) return;
    const connection = this.#connection;
    const request = { group, shard, lease: this.#lease };
    const answers = connection.listen((options) => connection.shards.slots(request, options), {
      step: 'reading slots',
      signal,
    });
    let announced = false;
    for await (const answer of answers) {
      if (announced !== (answer.header === undefined))
        throw connection.wrong('a header of slots twice, or none');
      announced = true;
      // The header of a view that is open was read when it was opened.
      if (answer.header === undefined) yield checked(connection, () => decodeSlots(answer));
    }
  }

  async *leaves(
    slots: readonly number[],
    signal?: AbortSignal,
    headSlots: ReadonlySet<number> = new Set(),
  ): AsyncGenerator<LeafPage> {
    throwIfAborted(signal);
    if (this.#summaries === null) for await (const _ of this.slots(signal));
    const wanted = new Set(slots);
    const due = (this.#summaries ?? []).filter(({ slot }) => wanted.has(slot));
    if (due.length === 0 || this.#lease === null) return;
    const connection = this.#connection;
    const { group, shard } = this.description;
    const numbers = due.map(({ slot }) => slot);
    const mayBeHeads = numbers.filter((slot) => headSlots.has(slot));
    const request = { group, shard, lease: this.#lease, slots: numbers, headSlots: mayBeHeads };
    const check = new LeafStreamCheck(connection, this.description, due, headSlots);
    const answers = connection.listen((options) => connection.shards.leaves(request, options), {
      step: 'reading leaves',
      signal,
    });
    for await (const { pages } of answers) {
      if (pages.length === 0) throw connection.wrong('an answer without leaves');
      for (const wire of pages) {
        const page = checked(connection, () => decodeLeafPage(wire));
        check.page(page);
        yield page;
      }
    }
    check.end();
  }

  /** Gives the view back to its peer, which would otherwise hold it for another minute. */
  async [Symbol.asyncDispose](): Promise<void> {
    const lease = this.#lease;
    this.#lease = null;
    this.#summaries = null;
    if (lease === null) return;
    const connection = this.#connection;
    const { group, shard } = this.description;
    const request = { group, shard, lease, headerOnly: true, release: true };
    try {
      const step = { step: 'giving a view back', firstMs: connection.deadlines.releaseMs };
      for await (const _ of connection.listen((options) => connection.shards.slots(request, options), step));
    } catch {
      // A peer that is gone, hangs or has dropped it already: its lease has ended or ends by itself.
    }
  }
}

/**
 * Holds a stream of leaves to the slots announced: each leaf by itself, and a slot as a whole before its last page passes,
 * except that where heads of digests were asked for, what they make is for who asked to see.
 */
class LeafStreamCheck {
  readonly #connection: PeerConnection;
  readonly #description: ViewDescription;
  readonly #due: readonly SlotSummary[];
  readonly #headSlots: ReadonlySet<number>;
  /** Of the leaves of this slot, which are all alike; 0 before the first. */
  #digestBytes = 0;
  #position = 0;
  #count = 0;
  #composer = new DigestComposer();
  #previous: Buffer | null = null;

  constructor(
    connection: PeerConnection,
    description: ViewDescription,
    due: readonly SlotSummary[],
    headSlots: ReadonlySet<number>,
  ) {
    this.#connection = connection;
    this.#description = description;
    this.#due = due;
    this.#headSlots = headSlots;
  }

  page({ slot, leaves }: LeafPage): void {
    const summary = this.#due[this.#position];
    if (summary?.slot !== slot) {
      throw this.#wrong(
        `leaves of slot ${slot} where ${summary ? `slot ${summary.slot}` : 'nothing'} was due`,
        slot,
      );
    }
    for (const leaf of leaves) this.#leaf(leaf, slot);
    this.#count += leaves.length;
    if (this.#count > summary.leaves) {
      throw this.#wrong(`more than the ${summary.leaves} leaves announced of slot ${slot}`, slot);
    }
    if (this.#count < summary.leaves) return;
    const heads = this.#digestBytes === digestHeadBytes;
    if (!heads && compareBytes(this.#composer.finish(), summary.digest) !== 0) {
      throw this.#wrong(`leaves of slot ${slot} that do not make its digest`, slot);
    }
    this.#position++;
    this.#count = 0;
    this.#digestBytes = 0;
    this.#composer = new DigestComposer();
    this.#previous = null;
  }

  end(): void {
    const summary = this.#due[this.#position];
    if (summary === undefined) return;
    throw this.#wrong(
      `${this.#count} of the ${summary.leaves} leaves announced of slot ${summary.slot}`,
      summary.slot,
    );
  }

  #leaf({ key, digest }: Leaf, slot: number): void {
    const { group, shard, shards, slotScheme } = this.#description;
    if (this.#previous !== null && compareBytes(this.#previous, key) >= 0) {
      throw this.#wrong(`key ${toHex(key)} after ${toHex(this.#previous)} in slot ${slot}`, slot);
    }
    const entity = checked(this.#connection, () => parseEntityKey(group, key));
    // Bytes that are no text, or escaped as no key is, would be another key when they are stored.
    if (compareBytes(entityKey(entity), key) !== 0)
      throw this.#wrong(`${toHex(key)}, which is no entity key`, slot);
    const hash = entityHash(entity);
    if (shards !== null && shardOf(hash, shards) !== shard) {
      throw this.#wrong(`${toHex(key)}, which is of shard ${shardOf(hash, shards)}`, slot);
    }
    if (slotScheme !== null && slotScheme.seed === 0n && slotOf(hash, slotScheme.slots) !== slot) {
      throw this.#wrong(
        `${toHex(key)} in slot ${slot}, which is of slot ${slotOf(hash, slotScheme.slots)}`,
        slot,
      );
    }
    if (this.#digestBytes === 0) this.#digestBytes = this.#headSlots.has(slot) ? digest.length : digestBytes;
    if (digest.length !== this.#digestBytes)
      throw this.#wrong(`a digest of ${digest.length} bytes in slot ${slot}`, slot);
    this.#previous = key;
    if (digest.length === digestBytes) this.#composer.update(digest);
  }

  #wrong(what: string, slot: number): Error {
    const { group, shard } = this.#description;
    return this.#connection.wrong(what, { group, shard, slot });
  }
}
