/** Every option there is, with its meaning; config/tallystick.yaml is written from it. */
import { hostname } from 'node:os';
import { z } from 'zod';
import { logLevels } from '../lib/log.ts';
import { shardsMax } from '../property/group-settings.ts';
import { isTimeZone } from '../schedule/cron.ts';
import { adminSettings } from './admin-settings.ts';
import { clusterSettings } from './cluster-settings.ts';
import { declaredGroups, propertySettings } from './property-settings.ts';
import { buildSettings, roundSettings } from './schedule-settings.ts';
import { address, cron, duration, listMax, note, path, reload, tls } from './setting-values.ts';
import { wireSettings } from './wire-settings.ts';

const placedGroup = z.strictObject({
  group: z.string().min(1),
  shards: z
    .array(
      z
        .int()
        .min(0)
        .max(shardsMax - 1),
    )
    .max(shardsMax)
    .nullable()
    .default(null),
});

export const settingsSchema = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(200)
      .default(() => hostname())
      .meta(
        note(
          'What this replica calls itself in reports, logs and nodes files; the name of the host without it.',
          { example: 'replica-1' },
        ),
      ),
    root: path()
      .default('./tallystick-data')
      .meta(note('The data root: properties, settings of groups, trees, history.')),
    listen: address()
      .prefault('127.0.0.1:17960')
      .meta(note('Where peers reach it (gRPC); port 0 takes a free one.')),
    insecureListen: z
      .boolean()
      .default(false)
      .meta(note('Listen on other than loopback addresses although there is no TLS.')),
    nodes: path()
      .nullable()
      .default(null)
      .meta(
        note('A nodes file that lists the peers; re-read when it changes.', {
          example: './nodes.yaml',
          ...reload,
        }),
      ),
    dns: z
      .string()
      .min(1)
      .max(253)
      .nullable()
      .default(null)
      .meta(
        note(
          'A name whose SRV records list the peers, beside or instead of a nodes file; they are reached by TLS where ' +
            '`tls` is set.',
          { example: '_grpc._tcp.tallystick.example', ...reload },
        ),
      ),
    peerInterval: duration()
      .prefault('30s')
      .meta(note('How often peers are looked up in DNS and asked what they have.', reload)),
    shards: z
      .union([z.literal('all'), z.array(placedGroup).max(listMax)])
      .default('all')
      .meta(
        note(
          'Which shards belong here: all, or a list of groups, each with its shards (all of them without).',
          { example: [{ group: 'sw', shards: [0, 1] }] },
        ),
      ),
    groups: declaredGroups,
    property: propertySettings.prefault({}),
    admin: adminSettings.prefault({}),
    build: buildSettings.prefault({}),
    round: roundSettings.prefault({}),
    banyandb: z
      .array(clusterSettings)
      .max(100)
      .default([])
      .meta(
        note(
          'BanyanDB clusters to look after: a name, a nodes file, a liaison (HOST:PORT) or the groups with their shards, ' +
            'and a mode (audit says what differs, repair mends it where round.mode is repair too). What else there is ' +
            'means what the flag of the verbs does: pushRate (200 a second), deleteExpiry (7 days), pageMax (64 MiB); ' +
            'tlsCa, tlsCert and tlsKey towards a liaison that speaks TLS, of which nodes that do are shown the latter ' +
            'two; repairTlsCa or repairPlain where nodes repair by another TLS, or none.',
          {
            example: [
              {
                name: 'main',
                nodes: './banyandb-nodes.yaml',
                mode: 'audit',
                liaison: '127.0.0.1:17912',
                pushRate: 200,
                deleteExpiry: 7,
                pageMax: 64,
                tlsCa: './tls/banyandb-ca.pem',
                repairPlain: true,
              },
            ],
          },
        ),
      ),
    timeZone: z
      .string()
      .refine(isTimeZone, 'a time zone is wanted, such as UTC or Europe/Berlin')
      .default('UTC')
      .meta(note('Time zone of crons and windows that name none (TZ=Europe/Berlin 0 2 * * *).', reload)),
    windows: z
      .array(z.strictObject({ cron: cron(), lasts: duration() }))
      .max(100)
      .default([])
      .meta(
        note('Windows in which nothing is started by itself: when each begins and how long it lasts.', {
          example: [{ cron: '0 8 * * 1-5', lasts: '10h' }],
          ...reload,
        }),
      ),
    catchUp: z
      .boolean()
      .default(true)
      .meta(
        note(
          'Make up once for firings that were missed while it was down, paused or in a window; false lets them go.',
          reload,
        ),
      ),
    historyDays: z
      .int()
      .min(1)
      .max(3_650)
      .default(30)
      .meta(note('Days for which ended runs and their changes are kept.', reload)),
    tls: tls('peers').nullable().default(null),
    wire: wireSettings,
    trace: z
      .strictObject({
        endpoint: z
          .url({
            protocol: /^https?$/,
            error: 'an address is wanted, such as http://127.0.0.1:4318/v1/traces',
          })
          .nullable()
          .default(null)
          .meta(
            note(
              'Where traces are sent (OTLP over HTTP); off without it. OTEL_EXPORTER_OTLP_ENDPOINT and the other ' +
                'standard variables are heeded too.',
              { example: 'http://127.0.0.1:4318/v1/traces' },
            ),
          ),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: z.enum(logLevels).default('info').meta(note('debug, info, warn, error or silent.', reload)),
      })
      .prefault({}),
  })
  .check(({ value, issues }) => {
    if (value.tls?.allow && value.tls.ca === null) {
      issues.push({
        code: 'custom',
        message: 'an allow list needs `tls.ca`',
        path: ['tls', 'allow'],
        input: value.tls.allow,
      });
    }
  });

export type Settings = z.output<typeof settingsSchema>;
