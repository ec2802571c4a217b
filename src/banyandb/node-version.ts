/** A version as a node sends it, checked: that it is of this group, its id is its own, its numbers can be. */
import { entityKey, joinEntity } from '../property/entity.ts';
import { sourceDigest } from '../property/digest.ts';
import type { Property } from '../property/property.ts';
import { type Spelling, spellProperty } from '../property/source-json.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';
import type { StoredVersion } from '../shard-copy/shard-copy.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { PropertySync } from './generated/banyandb/property/v1/repair_pb.ts';
import { documentId, fromWireProperty } from './node-property.ts';

/**
 * How we spell what nodes send: they send messages, not text, so their own spelling does not show. Content that is
 * equal has equal digests so, however its nodes spell it.
 */
export const nodeSpelling: Spelling = 'compact';

export interface NodeVersion {
  /** GROUP/NAME/ID. */
  readonly entity: string;
  readonly property: Property;
  readonly version: StoredVersion;
}

/** Throws `bad-message` that names the node. */
export function readNodeVersion(
  connection: PeerConnection,
  group: string,
  sync: PropertySync | undefined,
): NodeVersion {
  if (sync?.property === undefined) throw connection.wrong('a value without a property', { group });
  const { id, deleteTime } = sync;
  const property = fromWireProperty(sync.property);
  const entity = joinEntity(property);
  const details = { group, entity };
  if (property.group !== group || property.name === '' || property.id === '') {
    throw connection.wrong(`a property ${JSON.stringify(entity.slice(0, 300))} of group ${group}`, details);
  }
  if (!documentId(property).equals(id)) throw connection.wrong(`a wrong document id of ${entity}`, details);
  if (deleteTime < 0n) throw connection.wrong(`a delete time of ${deleteTime} of ${entity}`, details);
  const source = spell(connection, property, details);
  const version: StoredVersion = {
    key: entityKey(property),
    revision: property.modRevision,
    deleteTime,
    digest: sourceDigest(source, deleteTime),
    source,
  };
  return { entity, property, version };
}

function spell(connection: PeerConnection, property: Property, details: Record<string, unknown>): string {
  try {
    return spellProperty(property, nodeSpelling);
  } catch (error) {
    throw connection.wrong(`a property that cannot be: ${CodedError.from(error).message}`, details);
  }
}
