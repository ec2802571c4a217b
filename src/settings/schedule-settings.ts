/** What settings say of builds and rounds: when, how often, how long. */
import { z } from 'zod';
import { cron, duration, listMax, note, reload } from './setting-values.ts';

export const buildSettings = z.strictObject({
  cron: cron().default('@every 1h').meta(note('When trees of shards that changed are built.', reload)),
  quickDelay: duration()
    .prefault('10m')
    .meta(note('How long after the first write a tree is built without waiting for the cron.', reload)),
  pollInterval: duration()
    .prefault('10s')
    .meta(note('How often indexes are asked whether they were written to, also by other processes.', reload)),
  halfInterval: z
    .boolean()
    .default(false)
    .meta(
      note(
        'No quick build in the second half of the time between two firings of the cron, as BanyanDB has it.',
        reload,
      ),
    ),
});

export const roundSettings = z.strictObject({
  mode: z
    .enum(['repair', 'audit', 'off'])
    .default('repair')
    .meta(note('What a round does: repair mends, audit only says what differs, off runs none.', reload)),
  cron: cron().default('@every 10m').meta(note('When rounds begin.', reload)),
  jitter: duration()
    .prefault('30s')
    .meta(note('A round begins up to this much later, differently at each replica.', reload)),
  quickDelay: duration()
    .prefault('1m')
    .meta(
      note(
        'For how long peers must tell of trees that differ, while nothing is written, before the shard is visited ' +
          'without waiting for the cron; at least `peerInterval`.',
        reload,
      ),
    ),
  quickInterval: duration()
    .prefault('5m')
    .meta(note('A shard is visited that way no sooner than this after its last visit.', reload)),
  shardsPerFiring: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .meta(
      note('Shards visited per firing of the cron, those visited longest ago first; all without it.', {
        example: 8,
        ...reload,
      }),
    ),
  deadline: duration()
    .prefault('24h')
    .meta(note('Every shard is visited at least this often; a forecast says where that will fail.', reload)),
  deadlines: z
    .array(z.strictObject({ group: z.string().min(1), deadline: duration() }))
    .max(listMax)
    .default([])
    .meta(note('Other deadlines, by group.', { example: [{ group: 'sw', deadline: '1h' }], ...reload })),
  timeout: duration()
    .prefault('1h')
    .meta(note('A visit that takes longer is cancelled; the next one continues it.', reload)),
});
