/** Which group an order for a repair means, and whether what it says fits together. */
import type { RepairOrder } from '../admin/orders.ts';
import { CodedError } from '../lib/coded-error.ts';
import { splitEntity } from '../property/entity.ts';

/** Null for all groups. Throws `bad-argument`. */
export function orderedGroup({ group: named, shard, name, entity: joined }: RepairOrder): string | null {
  const entity = joined === null ? null : splitEntity(joined);
  if (entity !== null && named !== null && named !== entity.group) {
    throw badOrder('entity', joined, `it is not of group ${named}`);
  }
  const group = named ?? entity?.group ?? null;
  if (group === null && (name !== null || shard !== null))
    throw badOrder('group', null, 'a name or shard needs a group');
  return group;
}

function badOrder(field: string, value: unknown, message: string): CodedError {
  return new CodedError('bad-argument', `${field}: ${message}`, { field, value });
}
