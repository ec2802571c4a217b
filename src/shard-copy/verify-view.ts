/**
 * Verifies a tree, of ours or BanyanDB's: every leaf of every slot is read, which makes the reader hold sizes,
 * checksums, order and digests to what was written, and each entity's shard and slot and all counts are checked.
 * Damage is told, not thrown; reading goes on with the next slot.
 */
import { CodedError } from '../lib/coded-error.ts';
import { parseEntityKey } from '../property/entity.ts';
import { entityHash, shardOf, slotOf } from '../property/placement.ts';
import { type Damage, entityText } from '../property-index/verify-index.ts';
import type { Leaf, LeafPage, ShardView, SlotSummary } from './shard-copy.ts';

/** Damaged slots after which a tree is given up: it is built again, not read again. */
const damagedSlotsMax = 1_000;

export interface VerifyViewOptions {
  /** The tree file, for what is damaged in it. */
  readonly file: string;
  readonly onDamage: (damage: Damage) => void;
  /** Given every page of leaves. */
  readonly onLeaves?: ((leaves: readonly Leaf[]) => Promise<void>) | undefined;
  readonly onProgress?: ((leaves: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Reads the whole view. Throws what is no damage (`cancelled`, `newer-format`, `io`). */
export async function verifyView(view: ShardView, options: VerifyViewOptions): Promise<void> {
  const slots: SlotSummary[] = [];
  try {
    for await (const page of view.slots(options.signal)) slots.push(...page);
  } catch (error) {
    options.onDamage(damageOf(error, options.file));
    return;
  }
  const check = new ViewCheck(view, options);
  let damagedSlots = 0;
  for (let next = 0; next < slots.length; ) {
    const rest = slots.slice(next);
    const read = await check.read(rest);
    next += read;
    if (read === rest.length) break;
    // The slot that failed is passed over.
    next += 1;
    damagedSlots += 1;
    if (damagedSlots < damagedSlotsMax) continue;
    options.onDamage({
      file: options.file,
      offset: null,
      entity: null,
      message: `more than ${damagedSlotsMax} damaged slots`,
    });
    return;
  }
  if (damagedSlots === 0) check.checkCounts();
}

class ViewCheck {
  readonly #view: ShardView;
  readonly #options: VerifyViewOptions;
  #leaves = 0;
  #live = 0;

  constructor(view: ShardView, options: VerifyViewOptions) {
    this.#view = view;
    this.#options = options;
  }

  /** Reads these slots in order; how many were read to their end before one failed. */
  async read(slots: readonly SlotSummary[]): Promise<number> {
    const { signal, file, onDamage } = this.#options;
    const pages = this.#view
      .leaves(
        slots.map(({ slot }) => slot),
        signal,
      )
      [Symbol.asyncIterator]();
    let position = 0;
    let inSlot = 0;
    for (;;) {
      let page: IteratorResult<LeafPage>;
      try {
        page = await pages.next();
      } catch (error) {
        onDamage(damageOf(error, file));
        // A slot that was read to its end is not the one that failed.
        return inSlot === slots[position]?.leaves ? position + 1 : position;
      }
      if (page.done === true) return slots.length;
      if (page.value.slot !== slots[position]?.slot) {
        position += 1;
        inSlot = 0;
      }
      inSlot += page.value.leaves.length;
      await this.#checkPage(page.value);
    }
  }

  async #checkPage({ slot, leaves }: LeafPage): Promise<void> {
    const { onLeaves, onProgress } = this.#options;
    for (const leaf of leaves) {
      this.#leaves += 1;
      if (leaf.deleteTime === 0n) this.#live += 1;
      this.#checkPlacement(leaf, slot);
    }
    await onLeaves?.(leaves);
    onProgress?.(this.#leaves);
  }

  #checkPlacement({ key }: Leaf, slot: number): void {
    const { group, shard, shards, slotScheme } = this.#view.description;
    let hash: bigint;
    try {
      hash = entityHash(parseEntityKey(group, key));
    } catch (error) {
      this.#wrong(
        key,
        `a leaf of slot ${slot} has no entity: ${damageOf(error, this.#options.file).message}`,
      );
      return;
    }
    if (shards !== null && shardOf(hash, shards) !== shard) {
      this.#wrong(
        key,
        `it lies in shard ${shard} and belongs to shard ${shardOf(hash, shards)} of ${shards}`,
      );
    }
    if (slotScheme !== null && slotOf(hash, slotScheme.slots) !== slot) {
      this.#wrong(
        key,
        `it lies in slot ${slot} and belongs to slot ${slotOf(hash, slotScheme.slots)} of ${slotScheme.slots}`,
      );
    }
  }

  checkCounts(): void {
    const { leaves, liveLeaves } = this.#view.description;
    if (leaves !== this.#leaves) this.#wrong(null, `it counts ${leaves} leaves and holds ${this.#leaves}`);
    if (liveLeaves !== null && liveLeaves !== this.#live) {
      this.#wrong(null, `it counts ${liveLeaves} live leaves and holds ${this.#live}`);
    }
  }

  #wrong(key: Buffer | null, message: string): void {
    const entity = key === null ? null : entityText(this.#view.description.group, key);
    this.#options.onDamage({ file: this.#options.file, offset: null, entity, message });
  }
}

/** What a damaged file's error says; rethrows what is no damage. */
export function damageOf(error: unknown, file: string): Damage {
  if (!(error instanceof CodedError)) throw error;
  if (!['damaged-file', 'damaged-database', 'bad-message', 'too-large'].includes(error.code)) throw error;
  const { path, offset } = error.details;
  return {
    file: typeof path === 'string' ? path : file,
    offset: typeof offset === 'number' ? offset : null,
    entity: null,
    message: error.message,
  };
}
