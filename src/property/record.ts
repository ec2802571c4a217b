/** What people load: a property, perhaps as a version of its own, perhaps to be stamped by the property index. */
import { assert } from '../lib/assert.ts';
import type { Property } from './property.ts';
import type { Spelling } from './source-json.ts';
import { timestampOfNs } from './timestamp.ts';

/** A record that passed validate-record.ts. */
export interface LoadRecord {
  /** Complete when `stamped`; otherwise {@link stampRecord} fills what was not given. */
  readonly property: Property;
  /** Nanoseconds, 0 when live. */
  readonly deleteTime: bigint;
  /** The record brought its modRevision. False: it gets one when it is written. */
  readonly stamped: boolean;
  readonly createRevisionGiven: boolean;
  readonly updatedAtGiven: boolean;
  /** How the stored text of a `source` record is spelled; null for the other forms. */
  readonly spelling: Spelling | null;
}

export interface Stamp {
  /** Nanoseconds, greater than 0. */
  readonly revision: bigint;
  /** createRevision of the entity's previous live version; null where there is none. */
  readonly previousCreateRevision: bigint | null;
}

/** The property of an unstamped record with its revision, and with what BanyanDB would set beside it. */
export function stampRecord(record: LoadRecord, stamp: Stamp): Property {
  assert(!record.stamped, 'a record that brings its revision is not stamped');
  assert(stamp.revision > 0n, 'a revision is greater than 0');
  const { property } = record;
  return {
    ...property,
    modRevision: stamp.revision,
    createRevision: record.createRevisionGiven
      ? property.createRevision
      : (stamp.previousCreateRevision ?? stamp.revision),
    updatedAt: record.updatedAtGiven ? property.updatedAt : timestampOfNs(stamp.revision),
  };
}

/**
 * A property that came with its revision, with what it lacks derived from the revision alone: so the same
 * record has the same digest wherever it is loaded.
 */
export function completeVersion(property: Property): Property {
  if (property.createRevision !== 0n && property.updatedAt !== null) return property;
  return {
    ...property,
    createRevision: property.createRevision === 0n ? property.modRevision : property.createRevision,
    updatedAt: property.updatedAt ?? timestampOfNs(property.modRevision),
  };
}
