/** What an order for a repair means, and whether what it says fits together. */
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

/** Whether an order says with its plan only what goes with one. Throws `bad-argument`. */
export function checkPlanOrder({ plan, keepPlan, dryRun, confirm: _, ...narrowing }: RepairOrder): void {
  if (keepPlan && !dryRun) throw badOrder('keepPlan', keepPlan, 'only a dry run keeps its plan');
  if (plan === null) return;
  if (dryRun) throw badOrder('dryRun', dryRun, 'a plan was made by a dry run; it is carried out, or not');
  for (const [field, value] of Object.entries(narrowing)) {
    if (value !== null) throw badOrder(field, value, 'what a plan is of stands in the plan');
  }
}

export function badOrder(field: string, value: unknown, message: string): CodedError {
  return new CodedError('bad-argument', `${field}: ${message}`, { field, value });
}
