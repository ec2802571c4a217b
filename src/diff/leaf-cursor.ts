/**
 * One copy's stream of leaf pages, read slot by slot and leaf by leaf, one page in memory. Checks what the
 * copy promised: slots in the order asked, keys strictly ascending, leaves that compose to the slot's
 * announced count and digest.
 */
import { compareBytes, toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { raceSignal } from '../lib/race-signal.ts';
import { DigestComposer } from '../property/tree-digest.ts';
import { keyBytesMax } from '../property/entity.ts';
import { digestBytes, digestHeadBytes } from '../property/version.ts';
import type { Leaf, LeafPage, SlotSummary } from '../shard-copy/shard-copy.ts';

// Key, digest, revision and delete time; what a leaf costs to read, near enough for budgets and progress.
const leafOverheadBytes = digestBytes + 16;

export class LeafCursor {
  readonly place: string;
  #pages: AsyncIterator<LeafPage>;
  /** Slots whose digests may be heads. */
  readonly #headSlots: ReadonlySet<number>;
  /** A page of a later slot that came while this slot was read. */
  #ahead: LeafPage | null = null;
  #finished = false;
  #leaves: readonly Leaf[] = [];
  #position = 0;
  #summary: SlotSummary | null = null;
  #slotEnded = true;
  #previous: Buffer | null = null;
  #slotLeaves = 0;
  /** Of the leaves of this slot, which are all alike; 0 before the first. */
  #digestBytes = 0;
  #composer = new DigestComposer();
  #leavesRead = 0;
  #bytesRead = 0;

  constructor(place: string, pages: AsyncIterable<LeafPage>, headSlots: ReadonlySet<number>) {
    this.place = place;
    this.#pages = pages[Symbol.asyncIterator]();
    this.#headSlots = headSlots;
  }

  /** The slot it reads. */
  get summary(): SlotSummary | null {
    return this.#summary;
  }

  /** The leaves of this slot come with heads of digests. */
  get givesHeads(): boolean {
    return this.#digestBytes === digestHeadBytes;
  }

  get leavesRead(): number {
    return this.#leavesRead;
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** The leaf it stands at; undefined at the end of the page ({@link needsPage}) or of the slot. */
  get current(): Leaf | undefined {
    return this.#leaves[this.#position];
  }

  get needsPage(): boolean {
    return this.#position >= this.#leaves.length && !this.#slotEnded;
  }

  advance(): void {
    this.#position++;
  }

  /** Goes on to the leaves of the next slot, which is the one `summary` announces. */
  openSlot(summary: SlotSummary): void {
    this.#summary = summary;
    this.#leaves = [];
    this.#position = 0;
    this.#slotEnded = false;
    this.#previous = null;
    this.#slotLeaves = 0;
    this.#digestBytes = 0;
    this.#composer = new DigestComposer();
  }

  /** Reads the slot's next page, or finds and checks its end. */
  async loadPage(signal?: AbortSignal): Promise<void> {
    const slot = this.#summary?.slot ?? -1;
    const page = await this.#nextPage(signal);
    if (page === null || page.slot > slot) {
      this.#ahead = page;
      this.#slotEnded = true;
      this.#checkSlotEnd();
      return;
    }
    if (page.slot < slot || page.leaves.length === 0) {
      throw this.#wrong(`${page.leaves.length} leaves of slot ${page.slot} where slot ${slot} was due`, {
        slot,
      });
    }
    for (const leaf of page.leaves) this.#checkLeaf(leaf);
    this.#leaves = page.leaves;
    this.#position = 0;
  }

  /** Throws `bad-message` if the copy sends leaves that were not asked for. */
  async finish(signal?: AbortSignal): Promise<void> {
    const page = await this.#nextPage(signal);
    if (page !== null)
      throw this.#wrong(`leaves of slot ${page.slot} that nobody asked for`, { slot: page.slot });
  }

  /** Ends the stream. Not waited for: a source that hangs must not hold up a cancelled run. */
  close(): void {
    if (!this.#finished) this.#pages.return?.()?.catch(() => undefined);
    this.#finished = true;
  }

  async #nextPage(signal?: AbortSignal): Promise<LeafPage | null> {
    const ahead = this.#ahead;
    if (ahead !== null) {
      this.#ahead = null;
      return ahead;
    }
    if (this.#finished) return null;
    const next = await raceSignal(this.#pages.next(), signal);
    if (!next.done) return next.value;
    this.#finished = true;
    return null;
  }

  #checkLeaf(leaf: Leaf): void {
    const { key, digest } = leaf;
    if (this.#digestBytes === 0) this.#digestBytes = this.#mayBeHead(digest) ? digest.length : digestBytes;
    if (key.length > keyBytesMax || digest.length !== this.#digestBytes) {
      throw this.#wrong(`a key of ${key.length} bytes with a digest of ${digest.length}`, {
        key: toHex(key.subarray(0, 64)),
      });
    }
    if (this.#previous !== null && compareBytes(this.#previous, key) >= 0) {
      throw this.#wrong(`key ${toHex(key)} after ${toHex(this.#previous)} in slot ${this.#summary?.slot}`, {
        slot: this.#summary?.slot,
        key: toHex(key),
      });
    }
    this.#previous = key;
    this.#slotLeaves++;
    this.#leavesRead++;
    this.#bytesRead += key.length + leafOverheadBytes;
    if (!this.givesHeads) this.#composer.update(digest);
  }

  #mayBeHead(digest: Buffer): boolean {
    return digest.length === digestHeadBytes && this.#headSlots.has(this.#summary?.slot ?? -1);
  }

  #checkSlotEnd(): void {
    const summary = this.#summary;
    if (summary === null) return;
    const { slot, leaves } = summary;
    if (leaves !== this.#slotLeaves) {
      throw this.#wrong(`${this.#slotLeaves} leaves of slot ${slot} after announcing ${leaves}`, { slot });
    }
    if (this.givesHeads) return;
    if (compareBytes(this.#composer.finish(), summary.digest) !== 0) {
      throw this.#wrong(`leaves of slot ${slot} that do not compose to its digest`, { slot });
    }
  }

  #wrong(what: string, details: Record<string, unknown>): CodedError {
    return new CodedError('bad-message', `${this.place} sent ${what}`, { place: this.place, ...details });
  }
}
