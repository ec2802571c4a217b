/** What settings say of groups, and of where applications reach their properties. */
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import { checkGroupName, checkGroupSettings, defaultSlots } from '../property/group-settings.ts';
import { address, listMax, note, tls } from './setting-values.ts';

const declaredGroup = z
  .strictObject({
    group: z.string(),
    shards: z.int().default(1),
    slots: z.int().default(defaultSlots),
    spelling: z.enum(['compact', 'spaced']).default('compact'),
  })
  .check(({ value, issues }) => {
    try {
      checkGroupName(value.group);
      checkGroupSettings(value);
    } catch (error) {
      const { message, details } = CodedError.from(error);
      issues.push({ code: 'custom', message, path: [String(details['field'])], input: details['value'] });
    }
  });

export const declaredGroups = z
  .array(declaredGroup)
  .max(listMax)
  .default([])
  .meta(
    note(
      'Groups that are to be there, made at start where they are not: shards (1 without), tree slots (32), and how ' +
        'stored JSON is spelled (compact). Other values than a group has are refused.',
      { example: [{ group: 'app', shards: 2, slots: 32, spelling: 'compact' }] },
    ),
  );

export const propertySettings = z.strictObject({
  listen: address()
    .nullable()
    .default(null)
    .meta(
      note(
        "Where applications reach BanyanDB's PropertyService (gRPC), apart from where peers do; off without it. " +
          'Port 0 takes a free one.',
        { example: '127.0.0.1:17912' },
      ),
    ),
  insecureListen: z
    .boolean()
    .default(false)
    .meta(note('Listen on other than loopback addresses without TLS; a token is needed all the same.')),
  tls: tls('applications').omit({ allow: true }).nullable().default(null),
});
