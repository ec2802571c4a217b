/**
 * Where an entity belongs: its shard in the group and its slot in the tree, as BanyanDB places it. Apart from
 * entity.ts, so that a thread which only builds trees needs no WebAssembly.
 */
import { xxh64 } from '../lib/xxhash.ts';
import { type Entity, joinEntity } from './entity.ts';

/** XXH64 of the joined entity, seed 0: decides shard and slot. */
export function entityHash(entity: Entity): bigint {
  return xxh64(joinEntity(entity));
}

/** The shard of an entity among `shards` (>= 1), as BanyanDB places it. */
export function shardOf(hash: bigint, shards: number): number {
  return Number(hash % BigInt(shards));
}

/** The slot of an entity among `slots`, as BanyanDB places it. */
export function slotOf(hash: bigint, slots: number): number {
  return Number(hash % BigInt(slots));
}
