/** Everything a view gives, in memory, in forms that are easy to compare. */
import { parseEntityKey, joinEntity } from '../../src/property/entity.ts';
import type { ShardView } from '../../src/shard-copy/shard-copy.ts';

export interface ReadSlot {
  readonly slot: number;
  readonly digest: string;
  readonly leaves: number;
}

export interface ReadLeaf {
  readonly slot: number;
  readonly entity: string;
  readonly digest: string;
}

export async function readSlots(view: ShardView): Promise<ReadSlot[]> {
  const read: ReadSlot[] = [];
  for await (const page of view.slots()) {
    read.push(...page.map(({ slot, digest, leaves }) => ({ slot, digest: digest.toString('hex'), leaves })));
  }
  return read;
}

/** The leaves of `slots`, by default of all. */
export async function readLeaves(view: ShardView, slots?: readonly number[]): Promise<ReadLeaf[]> {
  const wanted = slots ?? (await readSlots(view)).map(({ slot }) => slot);
  const { group } = view.description;
  const read: ReadLeaf[] = [];
  for await (const { slot, leaves } of view.leaves(wanted)) {
    for (const { key, digest } of leaves) {
      read.push({ slot, entity: joinEntity(parseEntityKey(group, key)), digest: digest.toString('hex') });
    }
  }
  return read;
}
