/**
 * Holds copies to the slots they announced where their leaves came with heads of digests only: the values that are
 * fetched, in the order of the leaves, must make the slot's digest. Where the index has moved on since the tree, a
 * slot cannot be proved any more, and need not: every value is held to its own digest, and compared as it is applied.
 */
import { compareBytes } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { DigestComposer } from '../property/tree-digest.ts';
import type { PlanEntry } from './plan.ts';

interface OpenSlot {
  readonly composer: DigestComposer;
  left: number;
  /** A value was not the planned one, so the digest says nothing. */
  movedOn: boolean;
}

export class SlotProofs {
  /** Slots begun and not ended: a few, since the entries of a slot come together. */
  readonly #open = new Map<number, OpenSlot>();

  /**
   * Takes the digest of the value that `place` gave for an entry; null where it is not of the planned version, or not
   * asked in the order of the leaves. Throws `bad-message` with the last value of a slot that makes another digest.
   */
  add(place: string, { unproven }: PlanEntry, digest: Buffer | null): void {
    if (unproven === undefined) return;
    const { slot, leaves } = unproven;
    const open = this.#open.get(slot) ?? { composer: new DigestComposer(), left: leaves, movedOn: false };
    this.#open.set(slot, open);
    open.left--;
    if (digest === null) open.movedOn = true;
    else open.composer.update(digest);
    if (open.left > 0) return;
    this.#open.delete(slot);
    if (open.movedOn || compareBytes(open.composer.finish(), unproven.digest) === 0) return;
    throw new CodedError('bad-message', `${place} sent leaves of slot ${slot} that do not make its digest`, {
      place,
      slot,
    });
  }
}
