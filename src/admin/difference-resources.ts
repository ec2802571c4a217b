/** What is told of differences, and what may be asked of them, as schemas. */
import { z } from 'zod';
import { chosenPeersMax } from './orders.ts';
import { digits } from './request-parts.ts';
import { count, groupName, int64, shardNumber } from './resources.ts';

/** Differing entities of one answer; more is for a dry run, whose changes are paged. */
const differencesMax = 100_000;

const toldVersion = z.object({
  revision: int64.nullable(),
  deleteTime: int64.nullable(),
  digest: z.string().nullable(),
});

export const differenceResource = z
  .object({
    group: z.string(),
    shard: z.int(),
    entity: z.string(),
    copies: z.array(
      toldVersion.extend({ place: z.string(), state: z.enum(['live', 'deleted', 'absent', 'unknown']) }),
    ),
    winner: toldVersion.nullable().describe('Null where trees do not tell, as those of BanyanDB.'),
  })
  .readonly()
  .meta({ id: 'Difference' });

export type DifferenceResource = z.input<typeof differenceResource>;

export const differencesSummary = z
  .object({
    outcome: z.enum(['matched', 'differs', 'inconclusive']),
    reason: z.string().nullable().describe('Why it is inconclusive.'),
    differing: count.describe('Entities told.'),
    more: z.boolean().describe('Whether there are more than were asked for.'),
    stale: z.boolean().describe('Whether a copy was written to since its tree was built.'),
    shardsCompared: count,
  })
  .meta({ id: 'DifferencesSummary' });

export type DifferencesSummary = z.output<typeof differencesSummary>;

const texts = z.union([z.string(), z.array(z.string()).max(chosenPeersMax)]);

export const differencesQuery = z.strictObject({
  group: groupName.optional(),
  shard: digits(shardNumber).optional().describe('Needs `group`.'),
  peers: texts.optional().describe('Names or places, repeatable; all without.'),
  limit: digits(z.int().min(1).max(differencesMax)).prefault(1_000),
});
