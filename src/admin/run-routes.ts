/** Routes under /v1 for runs: looked at, followed, cancelled. */
import { z } from 'zod';
import type { App } from './app.ts';
import type { EventStreams } from './event-stream.ts';
import type { Operations } from './operations.ts';
import { digits, page, runPath } from './request-parts.ts';
import { changeResource, groupName, runKinds, runResource, runStates, shardNumber } from './resources.ts';

const eventHeaders = z.looseObject({
  'last-event-id': digits(z.int().min(0))
    .optional()
    .describe('Of the last event before a break: what has moved on since is told first.'),
});

export function addRuns(app: App, operations: Operations, streams: EventStreams): void {
  app.get(
    '/v1/runs',
    {
      schema: {
        summary: 'Runs, newest first; `next` is the `before` of the next page',
        querystring: z.strictObject({
          state: z.enum(runStates).optional(),
          kind: z.enum(runKinds).optional(),
          group: groupName.optional(),
          shard: digits(shardNumber).optional(),
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
        querystring: z.strictObject({ after: digits(z.int().min(0)).prefault(0), limit: page }),
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
  app.post(
    '/v1/runs/:id/pause',
    {
      schema: {
        summary: 'Pause a run: its work is cut, it holds nothing, and waits to be resumed or cancelled',
        params: runPath,
        response: { 200: runResource },
      },
    },
    ({ params }) => operations.pauseRun(params.id),
  );
  app.post(
    '/v1/runs/:id/resume',
    {
      schema: {
        summary: 'Queue a paused run again: what it mended stays mended, the comparison starts anew',
        params: runPath,
        response: { 200: runResource },
      },
    },
    async ({ params }) => operations.resumeRun(params.id),
  );
  app.get(
    '/v1/runs/:id/events',
    { schema: { summary: 'Live progress of a run (server-sent events)', params: runPath } },
    ({ params }, reply) => {
      streams.follow(operations, { id: params.id, lastEventId: null }, reply.raw);
      reply.hijack();
    },
  );
  app.get(
    '/v1/events',
    { schema: { summary: 'Live progress of all runs (server-sent events)', headers: eventHeaders } },
    ({ headers }, reply) => {
      const lastEventId = headers['last-event-id'] ?? null;
      streams.follow(operations, { id: null, lastEventId }, reply.raw);
      reply.hijack();
    },
  );
}
