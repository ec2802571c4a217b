/** Routes under /v1 that give orders: build, repair, pause and resume the schedule. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { App } from './app.ts';
import type { Operations, OrderContext } from './operations.ts';
import { buildOrder, repairOrder } from './orders.ts';
import { runResource } from './resources.ts';

const orderHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('The same key with the same order gives the same run.'),
  traceparent: z.string().optional().describe('The trace that the run goes on with (W3C Trace Context).'),
});
const paused = z.object({ paused: z.boolean() });

export function addOrders(app: App, operations: Operations): void {
  app.post(
    '/v1/builds',
    {
      schema: {
        summary: 'Build trees',
        body: buildOrder,
        headers: orderHeaders,
        response: { 202: runResource },
      },
    },
    async ({ body, headers }, reply) => {
      const run = await operations.startBuild(body, contextOf(headers, 'build', body));
      return await reply.code(202).header('location', `/v1/runs/${run.id}`).send(run);
    },
  );
  app.post(
    '/v1/repairs',
    {
      schema: {
        summary: 'Repair shards, or say what differs',
        body: repairOrder,
        headers: orderHeaders,
        response: { 202: runResource },
      },
    },
    async ({ body, headers }, reply) => {
      const run = await operations.startRepair(body, contextOf(headers, 'repair', body));
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

function contextOf(headers: z.output<typeof orderHeaders>, kind: string, order: unknown): OrderContext {
  const { 'idempotency-key': key, traceparent = null } = headers;
  if (key === undefined) return { idempotency: null, traceparent };
  const text = `${kind} ${JSON.stringify(order)}`;
  const fingerprint = createHash('sha256').update(text).digest('hex');
  return { idempotency: { key, fingerprint }, traceparent };
}
