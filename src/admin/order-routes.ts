/** Routes under /v1 that give orders: build, repair, pause and resume the schedule. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { App } from './app.ts';
import type { Idempotency, Operations } from './operations.ts';
import { buildOrder, repairOrder } from './orders.ts';
import { runResource } from './resources.ts';

const idempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('The same key with the same order gives the same run.'),
});
const paused = z.object({ paused: z.boolean() });

export function addOrders(app: App, operations: Operations): void {
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
