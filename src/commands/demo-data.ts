/**
 * The data of the tour: the MIME types that IANA, Apache and nginx register, as properties, and how three replicas
 * of them come to differ. The same with every run: what happens to an entity is decided by its hash.
 */
import mimeTypes from 'mime-db/db.json' with { type: 'json' };
import { joinEntity } from '../property/entity.ts';
import { entityHash } from '../property/placement.ts';
import type { Property, Tag } from '../property/property.ts';
import type { LoadRecord } from '../property/record.ts';
import { timestampOfNs } from '../property/timestamp.ts';

export const demoGroup = 'mime';
export const replicaNames = ['replica-1', 'replica-2', 'replica-3'] as const;

/** What can happen to an entity, and to how many of a hundred it does. */
const mishaps = [
  { kind: 'first write missed', percent: 3 },
  { kind: 'newer write missed', percent: 3 },
  { kind: 'delete missed', percent: 3 },
  { kind: 'write after a delete', percent: 2 },
  { kind: 'other content at the same revision', percent: 2 },
  { kind: 'deleted everywhere', percent: 1 },
] as const;

export type Mishap = (typeof mishaps)[number]['kind'] | 'none';

/** One entity, what happened to it, and the versions each replica saw, in replica order. */
export interface DemoEntity {
  /** Joined: GROUP/NAME/ID. */
  readonly entity: string;
  readonly mishap: Mishap;
  readonly seen: readonly (readonly LoadRecord[])[];
  /** Whether it must end as deleted. */
  readonly deleted: boolean;
}

/** Revision of the first write: a point in time in nanoseconds, so that the tour is the same every day. */
const firstRevision = 1_750_000_000_000_000_000n;
const second = 1_000_000_000n;

interface MimeType {
  readonly source?: string;
  readonly charset?: string;
  readonly compressible?: boolean;
  readonly extensions?: readonly string[];
}

/** Every MIME type with its history. */
export function demoEntities(): DemoEntity[] {
  return Object.entries(mimeTypes as Readonly<Record<string, MimeType>>).map(([id, type], position) => {
    const property = propertyOf(id, type, firstRevision + BigInt(position) * second);
    const hash = entityHash(property);
    // Bits that place it in neither shard nor slot.
    const mishap = mishapOf(Number((hash >> 32n) % 100n));
    const unlucky = Number((hash >> 48n) % BigInt(replicaNames.length));
    const seen = replicaNames.map((_, replica) =>
      versionsSeen(property, mishap, replica === unlucky, replica),
    );
    const deleted = mishap === 'delete missed' || mishap === 'deleted everywhere';
    return { entity: joinEntity(property), mishap, seen, deleted };
  });
}

function propertyOf(
  id: string,
  { source, charset, compressible, extensions }: MimeType,
  revision: bigint,
): Property {
  const tags: Tag[] = [];
  if (source !== undefined) tags.push({ key: 'source', value: { kind: 'str', value: source } });
  if (charset !== undefined) tags.push({ key: 'charset', value: { kind: 'str', value: charset } });
  if (compressible !== undefined)
    tags.push({ key: 'compressible', value: { kind: 'int', value: compressible ? 1n : 0n } });
  if (extensions !== undefined)
    tags.push({ key: 'extensions', value: { kind: 'strArray', value: extensions } });
  return {
    group: demoGroup,
    name: 'type',
    id,
    metadataId: 0,
    createRevision: revision,
    modRevision: revision,
    tags,
    updatedAt: timestampOfNs(revision),
  };
}

function mishapOf(dice: number): Mishap {
  let below = 0;
  for (const { kind, percent } of mishaps) {
    below += percent;
    if (dice < below) return kind;
  }
  return 'none';
}

function versionsSeen(first: Property, mishap: Mishap, unlucky: boolean, replica: number): LoadRecord[] {
  const written = record(first);
  switch (mishap) {
    case 'none':
      return [written];
    case 'first write missed':
      return unlucky ? [] : [written];
    case 'newer write missed':
      return unlucky ? [written] : [written, record(rewritten(first, 'reviewed'))];
    case 'delete missed':
      return unlucky ? [written] : [written, deletedAt(first, 10n)];
    case 'write after a delete':
      // One deleted it while another wrote it anew; the third saw neither. The last replica may lose what only it has.
      if (replica === 2) return unlucky ? [written] : [written, deletedAt(first, 5n)];
      return replica === 0
        ? [written, record(rewritten(first, 'registered again'))]
        : [written, ...(unlucky ? [deletedAt(first, 5n)] : [])];
    case 'other content at the same revision':
      return [written, record(rewritten(first, unlucky ? 'by one writer' : 'by another writer'))];
    case 'deleted everywhere':
      // Each replica stamped a time of its own.
      return [written, deletedAt(first, BigInt(10 + replica))];
  }
}

function record(property: Property, deleteTime = 0n): LoadRecord {
  return {
    property,
    deleteTime,
    stamped: true,
    createRevisionGiven: true,
    updatedAtGiven: true,
    spelling: null,
  };
}

function deletedAt(property: Property, seconds: bigint): LoadRecord {
  return record(property, firstRevision + (100_000n + seconds) * second);
}

function rewritten(property: Property, remark: string): Property {
  const modRevision = property.modRevision + 200_000n * second;
  const tags: Tag[] = [...property.tags, { key: 'remark', value: { kind: 'str', value: remark } }];
  return { ...property, modRevision, tags, updatedAt: timestampOfNs(modRevision) };
}
