/** Routes under /v1 that read properties: one, by query, by words. */
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import type { App } from './app.ts';
import type { Operations } from './operations.ts';
import { digits, flag, page, pageMax } from './request-parts.ts';
import { groupName, propertyResource } from './resources.ts';

export function addPropertyReads(app: App, operations: Operations): void {
  app.get(
    '/v1/properties/:group/:name/*',
    {
      schema: {
        summary: 'One property as it is here now; an id may hold slashes',
        params: z.object({ group: groupName, name: z.string().min(1), '*': z.string().min(1) }),
        querystring: z.strictObject({ deleted: flag }),
        response: { 200: propertyResource },
      },
    },
    async ({ params, query }) => {
      const { group, name, '*': id } = params;
      const found = await operations.property(group, name, id, query.deleted);
      if (found !== null) return found;
      throw new CodedError('not-found', `there is no live property ${group}/${name}/${id}`, {
        entity: `${group}/${name}/${id}`,
      });
    },
  );
  app.get(
    '/v1/properties',
    {
      schema: {
        summary: 'Properties of a group, by name or ids, page by page',
        querystring: z.strictObject({
          group: groupName,
          name: z.string().min(1).optional(),
          ids: z
            .union([z.string(), z.array(z.string()).max(pageMax)])
            .optional()
            .describe('Repeatable; needs `name`.'),
          deleted: flag,
          limit: page,
          offset: digits(z.int().min(0).max(10_000_000)).prefault(0),
        }),
        response: { 200: z.object({ properties: z.array(propertyResource) }) },
      },
    },
    async ({ query }) => {
      const ids = query.ids === undefined ? undefined : [query.ids].flat();
      return { properties: await operations.query({ ...query, ids }) };
    },
  );
  app.get(
    '/v1/search',
    {
      schema: {
        summary: 'Live properties in whose keys and tags all words are found',
        querystring: z.strictObject({
          text: z.string().min(1).max(1_000),
          group: groupName.optional(),
          limit: page.prefault(20),
        }),
        response: { 200: z.object({ properties: z.array(propertyResource), more: z.boolean() }) },
      },
    },
    async ({ query, signal }) => {
      const properties = [];
      // One more than asked tells whether there are more.
      for await (const found of operations.search(query.text, query.group ?? null, query.limit + 1, signal))
        properties.push(found);
      return { properties: properties.slice(0, query.limit), more: properties.length > query.limit };
    },
  );
}
