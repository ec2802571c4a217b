/**
 * Checks that differing leaves are where placement puts them: a copy whose leaves lie in other slots or
 * belong to another shard would look like one that lacks half the shard.
 */
import { assert } from '../lib/assert.ts';
import { compareBytes, toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { entityKey, joinEntity, parseEntityKey } from '../property/entity.ts';
import { entityHash, shardOf, slotOf } from '../property/placement.ts';
import type { CommonTraits } from './check-alike.ts';
import type { Difference } from './diff-leaves.ts';
import type { PlacedView } from './diff-slots.ts';

export class PlacementCheck {
  #views: readonly PlacedView[];
  #traits: CommonTraits;
  /** Where no copy tells its slot count: the count divides this number, if all copies have the same. 0 until known. */
  #countMultiple = 0n;
  #greatestSlot = 0;

  constructor(views: readonly PlacedView[], traits: CommonTraits) {
    this.#views = views;
    this.#traits = traits;
  }

  /**
   * Throws `bad-message` for a key that is none or lies in a wrong slot or shard, and `settings-differ` where
   * the copy does not tell its slot scheme and its leaves show that it is another one.
   */
  check({ key, slot, leaves }: Difference): void {
    const { place } = this.#senderOf(leaves);
    const entity = parseEntityKey(this.#traits.group, key);
    if (compareBytes(entityKey(entity), key) !== 0) {
      throw new CodedError('bad-message', `${place} sent a key that is no entity key: ${toHex(key)}`, {
        place,
        key: toHex(key),
      });
    }
    const hash = entityHash(entity);
    const { shard, shards, slotScheme } = this.#traits;
    if (shards !== null && shardOf(hash, shards) !== shard) {
      const shown = joinEntity(entity);
      throw new CodedError(
        'bad-message',
        `${place} has ${shown} in shard ${shard}; it belongs to shard ${shardOf(hash, shards)} of ${shards}`,
        {
          place,
          entity: shown,
          shard,
        },
      );
    }
    if (slotScheme === null) {
      this.#checkUntold(hash, slot);
    } else if (slotScheme.seed === 0n && slotOf(hash, slotScheme.slots) !== slot) {
      const { slots } = slotScheme;
      const shown = joinEntity(entity);
      throw this.#wrongSlot(
        leaves,
        `has ${shown} in slot ${slot}; among ${slots} slots it belongs to ${slotOf(hash, slots)}`,
        shown,
      );
    }
  }

  // Slot s of hash h among n means n divides h - s. A common divisor of all these that is no greater than a
  // slot number seen cannot be the slot count of all copies.
  #checkUntold(hash: bigint, slot: number): void {
    this.#greatestSlot = Math.max(this.#greatestSlot, slot);
    this.#countMultiple = greatestCommonDivisor(this.#countMultiple, hash - BigInt(slot));
    if (this.#countMultiple !== 0n && this.#countMultiple <= BigInt(this.#greatestSlot)) {
      const places = this.#views.map((view) => view.place);
      throw new CodedError(
        'settings-differ',
        `the leaves of ${places.join(', ')} are not spread over the same number of slots`,
        {
          field: 'slot scheme',
          places,
        },
      );
    }
  }

  #wrongSlot(leaves: Difference['leaves'], what: string, entity: string): CodedError {
    const untold = this.#views.find(({ view }, copy) => leaves[copy] && view.description.slotScheme === null);
    const { place } = untold ?? this.#senderOf(leaves);
    return new CodedError(untold ? 'settings-differ' : 'bad-message', `${place} ${what}`, {
      place,
      entity,
    });
  }

  /** The first copy that has the entity. */
  #senderOf(leaves: Difference['leaves']): PlacedView {
    const sender = this.#views[leaves.findIndex((leaf) => leaf !== null)];
    assert(sender !== undefined, 'at least one copy has what differs');
    return sender;
  }
}

/** Of `a`, not negative, and `b`; not negative. */
function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
