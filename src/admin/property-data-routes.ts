/**
 * Properties as applications write and read them, under the paths and with the JSON of BanyanDB's gateway. Reading
 * takes the role viewer although it is a POST, writing the role writer.
 */
import { z } from 'zod';
import { propertyBytesMax } from '../property/protobuf-size.ts';
import { answerJson, queryFromJson, writeFromJson } from '../property-store/json-requests.ts';
import type { PropertyStore } from '../property-store/property-store.ts';
import { readQuery } from '../property-store/store-messages.ts';
import type { App } from './app.ts';
import { goneSignal } from './request-parts.ts';

/** Bytes of a property as JSON: text of control characters takes six times as many as in protobuf, base64 a third more. */
const propertyJsonBytesMax = 8 * propertyBytesMax;

/** Bytes of a query as JSON: ten thousand long ids. */
const queryJsonBytesMax = 2 * 1024 * 1024;

const path = z.object({ group: z.string(), name: z.string(), '*': z.string() });

// Checked where the other door's requests are checked too, so that faults are told alike; here they are only described.
const applyBody = z.unknown().meta({
  type: 'object',
  properties: {
    property: { type: 'object', properties: { metadata: { type: 'object' }, tags: { type: 'array' } } },
    strategy: { enum: ['STRATEGY_MERGE', 'STRATEGY_REPLACE'], default: 'STRATEGY_MERGE' },
  },
  description:
    'A property in the JSON names of BanyanDB; group, name and id come from the path. `modRevision`, where it is given, ' +
    'is the revision that its author has read: the write is greater.',
  example: {
    property: { tags: [{ key: 'title', value: { str: { value: 'Overview' } } }] },
    strategy: 'STRATEGY_MERGE',
  },
});
const names = { type: 'array', items: { type: 'string' } };
const queryBody = z.unknown().meta({
  type: 'object',
  properties: {
    ...{
      groups: names,
      name: { type: 'string' },
      ids: names,
      criteria: { type: 'object' },
      tagProjection: names,
    },
    limit: { type: 'integer', default: 100 },
    trace: { type: 'boolean' },
    orderBy: {
      type: 'object',
      properties: { tagName: { type: 'string' }, sort: { enum: ['SORT_ASC', 'SORT_DESC'] } },
    },
  },
  description:
    'BanyanDB’s QueryRequest: groups, name, ids, criteria, tagProjection, limit (100), orderBy, trace.',
  example: { groups: ['app'], name: 'settings', limit: 10 },
});

export function addPropertyData(app: App, store: PropertyStore): void {
  app.put(
    '/v1/property/data/:group/:name/*',
    {
      bodyLimit: propertyJsonBytesMax,
      config: { role: 'writer' },
      schema: {
        summary: 'Create a property, or merge its tags into the one that is there, or replace that',
        params: path,
        body: applyBody,
        response: { 200: z.object({ created: z.boolean(), tagsNum: z.int() }) },
      },
    },
    async ({ params, body }) => {
      const { group, name, '*': id } = params;
      const { created, tags } = await store.apply(writeFromJson({ group, name, id }, body));
      return { created, tagsNum: tags };
    },
  );
  app.delete(
    '/v1/property/data/:group/:name/*',
    {
      config: { role: 'writer' },
      schema: {
        summary: 'Delete a property; tells whether there was one',
        params: path,
        response: { 200: z.object({ deleted: z.boolean() }) },
      },
    },
    async ({ params }) => {
      const { group, name, '*': id } = params;
      return { deleted: await store.delete({ group, name, id }) };
    },
  );
  app.post(
    '/v1/property/data/query',
    {
      bodyLimit: queryJsonBytesMax,
      config: { role: 'viewer' },
      schema: {
        summary: 'Properties by group, name, ids and tags',
        body: queryBody,
        response: { 200: z.object({ properties: z.array(z.unknown()), trace: z.unknown() }) },
      },
    },
    async ({ body }, reply) => {
      const request = queryFromJson(body);
      return answerJson(await store.query(readQuery(request), goneSignal(reply.raw)), request) as never;
    },
  );
}
