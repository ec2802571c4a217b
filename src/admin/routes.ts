/** Every route under /v1: its path, what it takes and gives, and what it asks of the service. Here those for looks. */
import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import type { App } from './app.ts';
import { addDifferences } from './difference-routes.ts';
import type { EventStreams } from './event-stream.ts';
import type { Operations } from './operations.ts';
import { addOrders } from './order-routes.ts';
import { addPropertyReads } from './property-read-routes.ts';
import { digits } from './request-parts.ts';
import {
  groupName,
  groupResource,
  peerResource,
  shardNumber,
  shardResource,
  statusResource,
} from './resources.ts';
import { addRuns } from './run-routes.ts';

export interface RoutesOptions {
  readonly clock: Clock;
  readonly operations: Operations;
  readonly streams: EventStreams;
}

export function addRoutes(app: App, { clock, operations, streams }: RoutesOptions): void {
  addLooks(app, operations);
  addOrders(app, operations);
  addRuns(app, operations, streams);
  addPropertyReads(app, operations);
  addDifferences(app, operations, clock);
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
        params: z.object({ group: groupName, shard: digits(shardNumber) }),
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
