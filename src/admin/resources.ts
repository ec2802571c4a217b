/**
 * What the admin endpoint shows and takes, as schemas: the one source of its types, checks and description.
 * Times are ISO 8601, int64 values decimal strings, digests lowercase hex, what is unknown is null.
 */
import { z } from 'zod';
import { shardsMax } from '../property/group-settings.ts';

const time = z.iso.datetime().nullable();
export const count = z.int().min(0);
export const int64 = z.string().regex(/^-?\d{1,19}$/);
export const groupName = z.string().min(1).max(200);
export const shardNumber = z
  .int()
  .min(0)
  .max(shardsMax - 1);

export const runKinds = ['build', 'repair'] as const;
export const runStates = ['waiting', 'running', 'paused', 'ended'] as const;
export const runTriggers = ['operator', 'start', 'cron', 'catch-up', 'quick', 'differs'] as const;
export const runOutcomes = [
  'built',
  'skipped',
  'converged',
  'differs',
  'inconclusive',
  'failed',
  'cancelled',
] as const;

const codedError = z.looseObject({ code: z.string(), message: z.string() }).nullable();

export const runProgress = z.object({
  phase: z.string().describe('What it is doing, for people.'),
  slotsDone: count,
  slotsTotal: count,
  propertiesDone: count,
  propertiesTotal: count.describe('Differing properties found so far, or leaves of the tree that is built.'),
  bytes: count.describe('Read or sent in this phase.'),
});

export const runCounts = z.object({
  differing: count,
  changed: count,
  kept: count,
  failed: count,
  shipped: count.describe('Values sent.'),
  bytes: count.describe('Bytes of values sent.'),
});

export const runResource = z
  .object({
    id: z.string(),
    kind: z.enum(runKinds),
    trigger: z.enum(runTriggers),
    state: z.enum(runStates),
    waitReason: z.string().nullable().describe('Why it waits.'),
    outcome: z.enum(runOutcomes).nullable(),
    reason: z.string().nullable().describe('Why it ended as it did.'),
    error: codedError,
    group: z.string().nullable(),
    shard: z.int().nullable(),
    name: z.string().nullable(),
    entity: z.string().nullable(),
    peers: z.array(z.string()).nullable().describe('Places that were chosen; null for all.'),
    dryRun: z.boolean(),
    confirm: count.nullable(),
    plan: z.string().nullable().describe('The dry run whose plan it carries out.'),
    pushRate: count
      .nullable()
      .default(null)
      .describe(
        'Most versions a second pushed to one BanyanDB node, fewer while it is busy; 0 for as fast as it takes them, null where no such node takes part.',
      ),
    planUntil: time.describe(
      'Until when its plan is kept, unless many newer ones are; null where it keeps none.',
    ),
    createdAt: z.iso.datetime(),
    startedAt: time,
    endedAt: time,
    progress: runProgress.nullable(),
    etaSeconds: z.number().nullable().describe('Time until the present phase ends, as far as can be told.'),
    counts: runCounts,
    changes: count.describe('Changes that are kept and can be read page by page.'),
    changesDropped: count.describe('Changes beyond what is kept of one run.'),
    shards: z.array(
      z.object({
        group: z.string(),
        shard: z.int(),
        outcome: z.string(),
        reason: z.string().nullable(),
        differing: count,
        changed: count,
      }),
    ),
    copies: z.array(
      z.object({ place: z.string(), outcome: z.string(), changed: count, reason: z.string().nullable() }),
    ),
  })
  .meta({ id: 'Run' });

export type RunResource = z.output<typeof runResource>;

const version = z.object({ revision: int64, deleteTime: int64, digest: z.string() });

export const changeResource = z
  .object({
    group: z.string(),
    shard: z.int(),
    entity: z.string(),
    place: z.string(),
    result: z.enum(['planned', 'changed', 'kept', 'held back', 'failed']),
    before: version.nullable(),
    after: version.nullable(),
    reason: z.string(),
  })
  .meta({ id: 'Change' });

export type ChangeResource = z.output<typeof changeResource>;

const skip = z.object({ reason: z.string(), at: z.iso.datetime() }).nullable();

export const shardResource = z
  .object({
    group: z.string(),
    shard: z.int(),
    leaves: count.nullable(),
    live: count.nullable(),
    writeSequence: int64.nullable(),
    tree: z
      .object({ generation: count, root: z.string(), leaves: count, builtAt: time, stale: z.boolean() })
      .nullable(),
    generations: z.array(count),
    agreement: z.object({
      state: z
        .enum(['equal', 'differs', 'unknown'])
        .describe('Of the trees of all replicas, when they were last asked.'),
      since: time,
      copies: z.array(
        z.object({
          place: z.string(),
          root: z.string().nullable(),
          leaves: count.nullable(),
          stale: z.boolean().nullable(),
        }),
      ),
    }),
    lastBuildAt: time,
    nextBuildAt: time,
    buildWaits: z.string().nullable(),
    lastBuildSkip: skip,
    lastRound: z
      .object({ run: z.string(), outcome: z.string(), reason: z.string().nullable(), at: z.iso.datetime() })
      .nullable(),
    lastConvergedAt: time.describe('When a round last ended with every copy converged.'),
    nextRoundAt: time,
    roundWaits: z.string().nullable(),
    lastRoundSkip: skip,
    dueBy: time.describe('By when it must have been visited again.'),
    onTime: z.boolean().nullable().describe('Whether the forecast says that it will.'),
    error: codedError.describe('Why the copy of this replica cannot be read.'),
  })
  .meta({ id: 'Shard' });

export type ShardResource = z.output<typeof shardResource>;

export const groupResource = z
  .object({ group: z.string(), shards: z.int(), slots: z.int(), spelling: z.string() })
  .meta({ id: 'Group' });

export type GroupResource = z.output<typeof groupResource>;

export const peerResource = z
  .object({
    place: z.string(),
    name: z.string().nullable(),
    kind: z.string(),
    reachable: z.boolean().nullable().describe('Null until it was asked.'),
    lastSeenAt: time,
    latencyMs: z.number().nullable(),
    shards: count.nullable(),
    error: codedError,
  })
  .meta({ id: 'Peer' });

export type PeerResource = z.output<typeof peerResource>;

export const statusResource = z
  .object({
    name: z.string(),
    version: z.string(),
    listen: z.string().nullable(),
    ready: z.boolean(),
    reason: z.string().nullable().describe('Why it is not ready.'),
    paused: z.boolean(),
    windowUntil: time.describe('End of the window that is open, in which nothing is started.'),
    startedAt: z.iso.datetime(),
    runsWaiting: count,
    runsRunning: count,
    runsPaused: count,
    lateShards: count.describe('Shards that by the forecast will be visited after their deadline.'),
    warnings: z.array(z.string()),
    shards: z.array(shardResource),
    peers: z.array(peerResource),
  })
  .meta({ id: 'Status' });

export type StatusResource = z.output<typeof statusResource>;

export const propertyResource = z
  .object({
    property: z.unknown().describe('In the JSON names of BanyanDB.'),
    revision: int64,
    deleteTime: int64,
    digest: z.string(),
  })
  .meta({ id: 'Property' });

export type PropertyResource = z.output<typeof propertyResource>;

export const problemResource = z
  .object({
    type: z.string().describe('Where the code is explained, below the address of the endpoint.'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    instance: z.string().optional(),
  })
  .loose()
  .meta({ id: 'Problem' });
