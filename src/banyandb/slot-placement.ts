/**
 * Whether entities lie in the slots where BanyanDB places them (XXH64 modulo the slot count), though a tree file
 * does not tell its slot count: the count divides every difference of hash and slot number, and is above every slot
 * number. So the greatest common divisor of the differences must stay above the greatest slot number. After a few
 * leaves it is the slot count, and a damaged entity then passes only by falling into its own slot.
 */

export class SlotPlacement {
  readonly #greatestSlot: bigint;
  #divisor = 0n;

  /** `greatestSlot` is the greatest slot number of the tree. */
  constructor(greatestSlot: number) {
    this.#greatestSlot = BigInt(greatestSlot);
  }

  /** Takes one leaf into account: the XXH64 of its joined entity and its slot. False if no slot count fits all so far. */
  accept(hash: bigint, slot: number): boolean {
    const difference = hash - BigInt(slot);
    if (this.#divisor !== 0n && difference % this.#divisor === 0n) return true;
    const divisor = greatestCommonDivisor(this.#divisor, difference < 0n ? -difference : difference);
    // Zero means that every difference was zero, which fits any count.
    if (divisor !== 0n && divisor <= this.#greatestSlot) return false;
    this.#divisor = divisor;
    return true;
  }
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  // Euclid: ends, as the second operand falls each turn.
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}
