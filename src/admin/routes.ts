/** Every route under /v1: its path, who may call it, what it takes and gives, and what it asks of the service. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import type { App } from './app.ts';
import type { EventStreams } from './event-stream.ts';
import type { Idempotency, Operations } from './operations.ts';
import {
  buildOrder,
  changeResource,
  groupName,
  groupResource,
  peerResource,
  propertyResource,
  repairOrder,
  runKinds,
  runResource,
  runStates,
  shardNumber,
  shardResource,
  statusResource,
} from './resources.ts';

/** Items of one page: they are held in memory. */
const pageMax = 1_000;

const page = z.coerce.number().int().min(1).max(pageMax).default(100);
const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');
const idempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('The same key with the same order gives the same run.'),
});
const runPath = z.object({ id: z.string().min(1).max(100) });
const paused = z.object({ paused: z.boolean() });

export function addRoutes(app: App, operations: Operations, streams: EventStreams): void {
  addLooks(app, operations);
  addOrders(app, operations);
  addRuns(app, operations, streams);
  addProperties(app, operations);
}

function addLooks(app: App, operations: Operations): void {
  app.get(
    '/v1/status',
    { schema: { summary: 'Everything at a glance', response: { 200: statusResource } } },
    () => operations.status(),
  );
  app.get(
    '/v1/groups',
    {
      schema: {
        summary: 'Groups held here',
        response: { 200: z.object({ groups: z.array(groupResource) }) },
      },
    },
    async () => ({ groups: await operations.groups() }),
  );
  app.get(
    '/v1/shards',
    {
      schema: {
        summary: 'Shards held here',
        response: { 200: z.object({ shards: z.array(shardResource) }) },
      },
    },
    async () => ({ shards: await operations.shards() }),
  );
  app.get(
    '/v1/shards/:group/:shard',
    {
      schema: {
        summary: 'One shard: tree, generations, last and next build and round, why it waits',
        params: z.object({ group: groupName, shard: z.coerce.number().pipe(shardNumber) }),
        response: { 200: shardResource },
      },
    },
    ({ params }) => operations.shard(params.group, params.shard),
  );
  app.get(
    '/v1/peers',
    {
      schema: {
        summary: 'Peers and whether they answer',
        response: { 200: z.object({ peers: z.array(peerResource) }) },
      },
    },
    async () => ({ peers: operations.peers() }),
  );
}

function addOrders(app: App, operations: Operations): void {
  app.post(
    '/v1/builds',
    {
      schema: {
        summary: 'Build trees',
        body: buildOrder,
        headers: idempotencyHeaders,
        response: { 202: runResource },
      },
    },
    async ({ body, headers }, reply) => {
      const run = await operations.startBuild(body, idempotencyOf(headers['idempotency-key'], 'build', body));
      return await reply.code(202).header('location', `/v1/runs/${run.id}`).send(run);
    },
  );
  app.post(
    '/v1/repairs',
    {
      schema: {
        summary: 'Repair shards, or say what differs',
        body: repairOrder,
        headers: idempotencyHeaders,
        response: { 202: runResource },
      },
    },
    async ({ body, headers }, reply) => {
      const run = await operations.startRepair(
        body,
        idempotencyOf(headers['idempotency-key'], 'repair', body),
      );
      return await reply.code(202).header('location', `/v1/runs/${run.id}`).send(run);
    },
  );
  for (const [path, value] of [
    ['/v1/pause', true],
    ['/v1/resume', false],
  ] as const) {
    const summary = value
      ? 'Start nothing by itself until resumed; what runs goes on'
      : 'Start by itself again';
    app.post(path, { schema: { summary, response: { 200: paused } } }, async () => {
      operations.setPaused(value);
      return { paused: value };
    });
  }
}

function idempotencyOf(key: string | undefined, kind: string, order: unknown): Idempotency | null {
  if (key === undefined) return null;
  return {
    key,
    fingerprint: createHash('sha256')
      .update(`${kind} ${JSON.stringify(order)}`)
      .digest('hex'),
  };
}

function addRuns(app: App, operations: Operations, streams: EventStreams): void {
  app.get(
    '/v1/runs',
    {
      schema: {
        summary: 'Runs, newest first; `next` is the `before` of the next page',
        querystring: z.object({
          state: z.enum(runStates).optional(),
          kind: z.enum(runKinds).optional(),
          group: groupName.optional(),
          shard: z.coerce.number().pipe(shardNumber).optional(),
          before: z.string().max(100).optional(),
          limit: page,
        }),
        response: { 200: z.object({ runs: z.array(runResource), next: z.string().nullable() }) },
      },
    },
    async ({ query }) => {
      const runs = operations.runs(query);
      return { runs, next: runs.length === query.limit ? (runs.at(-1)?.id ?? null) : null };
    },
  );
  app.get(
    '/v1/runs/:id',
    { schema: { summary: 'One run', params: runPath, response: { 200: runResource } } },
    async ({ params }) => operations.run(params.id),
  );
  app.get(
    '/v1/runs/:id/changes',
    {
      schema: {
        summary: 'Changes of a run in the order they were made; `next` is the `after` of the next page',
        params: runPath,
        querystring: z.object({ after: z.coerce.number().int().min(0).default(0), limit: page }),
        response: { 200: z.object({ changes: z.array(changeResource), next: z.int().nullable() }) },
      },
    },
    async ({ params, query }) => {
      const changes = operations.changes(params.id, query.after, query.limit);
      return { changes, next: changes.length === query.limit ? query.after + changes.length : null };
    },
  );
  app.post(
    '/v1/runs/:id/cancel',
    { schema: { summary: 'Cancel a run', params: runPath, response: { 200: runResource } } },
    async ({ params }) => operations.cancel(params.id),
  );
  app.get(
    '/v1/runs/:id/events',
    { schema: { summary: 'Live progress of a run (server-sent events)', params: runPath } },
    ({ params }, reply) => {
      streams.follow(operations, params.id, reply.raw);
      reply.hijack();
    },
  );
  app.get(
    '/v1/events',
    { schema: { summary: 'Live progress of all runs (server-sent events)' } },
    (_, reply) => {
      streams.follow(operations, null, reply.raw);
      reply.hijack();
    },
  );
}

function addProperties(app: App, operations: Operations): void {
  app.get(
    '/v1/properties/:group/:name/*',
    {
      schema: {
        summary: 'One property as it is here now; an id may hold slashes',
        params: z.object({ group: groupName, name: z.string().min(1), '*': z.string().min(1) }),
        querystring: z.object({ deleted: flag }),
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
        querystring: z.object({
          group: groupName,
          name: z.string().min(1).optional(),
          ids: z
            .union([z.string(), z.array(z.string()).max(pageMax)])
            .optional()
            .describe('Repeatable; needs `name`.'),
          deleted: flag,
          limit: page,
          offset: z.coerce.number().int().min(0).max(10_000_000).default(0),
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
        querystring: z.object({
          text: z.string().min(1).max(1_000),
          group: groupName.optional(),
          limit: page.default(20),
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
