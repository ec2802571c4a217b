/** What settings say of a BanyanDB cluster. */
import { z } from 'zod';
import { parseAddress } from '../lib/address.ts';
import { shardsMax } from '../property/group-settings.ts';

/** Groups of one cluster: far more than there are. */
const groupsMax = 10_000;

/** A BanyanDB cluster to look after. */
export const clusterSettings = z
  .strictObject({
    name: z.string().regex(/^[\w.-]{1,100}$/, 'letters, digits, `.`, `_` and `-` are wanted'),
    nodes: z.string().min(1),
    mode: z.enum(['audit', 'repair']).default('audit'),
    liaison: z.string().refine(isAddress, 'HOST:PORT is wanted').nullable().default(null),
    groups: z
      .array(z.strictObject({ group: z.string().min(1), shards: z.int().min(1).max(shardsMax) }))
      .max(groupsMax)
      .default([]),
  })
  .check(({ value, issues }) => {
    if ((value.liaison === null) === (value.groups.length === 0)) {
      const message = 'either `liaison` or `groups` is wanted';
      issues.push({ code: 'custom', message, path: [], input: value.name });
    }
  });

function isAddress(text: string): boolean {
  return typeof parseAddress(text) !== 'string';
}
