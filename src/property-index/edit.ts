/**
 * A write that depends on what is there: decided inside the transaction that makes it, so that nothing comes between
 * reading and writing.
 */
import type { Clock } from '../lib/clock.ts';
import type { CodedError } from '../lib/coded-error.ts';
import type { Entity } from '../property/entity.ts';
import type { Property } from '../property/property.ts';
import type { StoredVersion, Version } from '../property/version.ts';

/** What an entity is, or is to become: its property and, where that is deleted, since when. */
export interface EditedVersion {
  readonly property: Property;
  /** Nanoseconds, 0 for a live one. */
  readonly deleteTime: bigint;
}

/**
 * A revision greater than every revision the shard has seen and than `seen`, and no less than now. Throws `refused`
 * where there is none.
 */
export type Stamp = (seen: bigint) => bigint;

export interface Edit {
  readonly entity: Entity;
  /**
   * Called once with the newest version, tombstones included; null where the entity is absent. Gives what it becomes,
   * or null to leave it as it is. A coded error that it throws ends this edit alone.
   */
  readonly decide: (current: EditedVersion | null, stamp: Stamp) => EditedVersion | null;
}

export interface EditOutcome {
  /** The newest version before; null where the entity was absent. */
  readonly before: Version | null;
  /** What was written; null where it was left as it is, or where what it was to become is not greater. */
  readonly written: StoredVersion | null;
}

/** What became of one edit: done and durable, or why it was refused. */
export type EditResult = EditOutcome | { readonly error: CodedError };

/** The edit of a delete: the live version gets a delete time; what is absent or deleted stays as it is. */
export function deleteEdit(entity: Entity, clock: Clock): Edit {
  return {
    entity,
    decide: (current) =>
      current === null || current.deleteTime !== 0n ? null : { ...current, deleteTime: clock.nowNs() },
  };
}
