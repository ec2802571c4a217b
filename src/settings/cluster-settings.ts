/** What settings say of a BanyanDB cluster. */
import { z } from 'zod';
import { parseAddress } from '../lib/address.ts';
import { dayMs, mebibyte } from '../lib/units.ts';
import { shardsMax } from '../property/group-settings.ts';
import { path } from './setting-values.ts';

/** Groups of one cluster: far more than there are. */
const groupsMax = 10_000;

/** A BanyanDB cluster to look after. What is null is as the verbs have it without the flag of that name. */
export const clusterSettings = z
  .strictObject({
    name: z.string().regex(/^[\w.-]{1,100}$/, 'letters, digits, `.`, `_` and `-` are wanted'),
    nodes: path(),
    mode: z.enum(['audit', 'repair']).default('audit'),
    liaison: z.string().refine(isAddress, 'HOST:PORT is wanted').nullable().default(null),
    groups: z
      .array(z.strictObject({ group: z.string().min(1), shards: z.int().min(1).max(shardsMax) }))
      .max(groupsMax)
      .default([]),
    pushRate: z.int().min(0).max(1_000_000).nullable().default(null),
    // Days in the file, milliseconds in the program.
    deleteExpiry: whole(36_500, dayMs),
    // Whole MiB in the file, bytes in the program.
    pageMax: whole(1_024, mebibyte),
    tlsCa: path().nullable().default(null),
    tlsCert: path().nullable().default(null),
    tlsKey: path().nullable().default(null),
    repairTlsCa: path().nullable().default(null),
    repairPlain: z.boolean().default(false),
  })
  .check(({ value, issues }) => {
    const wrong = (message: string, field?: keyof typeof value): void => {
      const input = field === undefined ? value.name : value[field];
      issues.push({ code: 'custom', message, path: field === undefined ? [] : [field], input });
    };
    if ((value.liaison === null) === (value.groups.length === 0))
      wrong('either `liaison` or `groups` is wanted');
    if ((value.tlsCert === null) !== (value.tlsKey === null)) wrong('`tlsCert` and `tlsKey` go together');
    if (value.repairTlsCa !== null && value.repairPlain)
      wrong('`repairTlsCa` and `repairPlain` exclude each other', 'repairPlain');
  });

function whole(most: number, unit: number) {
  return z
    .int()
    .min(1)
    .max(most)
    .transform((count) => count * unit)
    .nullable()
    .default(null);
}

function isAddress(text: string): boolean {
  return typeof parseAddress(text) !== 'string';
}
