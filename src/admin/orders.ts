/** What the admin endpoint takes: orders for builds and repairs, as schemas. */
import { z } from 'zod';
import { count, groupName, shardNumber } from './resources.ts';

export const buildOrder = z.strictObject({
  group: groupName.nullable().default(null).describe('Null for all groups.'),
  shard: shardNumber.nullable().default(null).describe('Null for all shards.'),
  force: z.boolean().default(false).describe('Build unchanged shards too.'),
});

export type BuildOrder = z.output<typeof buildOrder>;

/** Peers that one request chooses; a cluster has fewer. */
export const chosenPeersMax = 1_000;

export const repairOrder = z.strictObject({
  group: groupName.nullable().default(null).describe('Null for all groups.'),
  shard: shardNumber.nullable().default(null).describe('Null for all shards.'),
  name: z.string().min(1).nullable().default(null).describe('Only properties of this name; needs `group`.'),
  entity: z.string().min(1).nullable().default(null).describe('Only this one: GROUP/NAME/ID.'),
  peers: z
    .array(z.string().min(1))
    .min(1)
    .max(chosenPeersMax)
    .nullable()
    .default(null)
    .describe('Names or places of the peers that take part beside this replica; null for all.'),
  dryRun: z.boolean().default(false).describe('Say what would change, and change nothing.'),
  keepPlan: z
    .boolean()
    .default(false)
    .describe('With `dryRun`: keep the plan for a later order; the run says until when.'),
  plan: z
    .string()
    .regex(/^[\da-f-]{1,100}$/, 'the id of a run is wanted')
    .nullable()
    .default(null)
    .describe(
      'The dry run whose plan is carried out, where it still holds. What it is of stands in it: beside it, only `confirm` is given.',
    ),
  confirm: count.nullable().default(null).describe('Allow up to this many live properties to be replaced.'),
});

export type RepairOrder = z.output<typeof repairOrder>;
