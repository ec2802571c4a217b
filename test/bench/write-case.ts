/**
 * Applications that write one property at a time, many at once, to a replica in a process of its own: over HTTP and over
 * gRPC. The raw limit beside them is as many rows as there are clients in each durable transaction, one after another.
 */
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import {
  ApplyRequestSchema,
  PropertyService,
} from '../../src/banyandb/generated/banyandb/property/v1/rpc_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { PeerConnection } from '../../src/peer/peer-connection.ts';
import { createGroup } from '../../src/property-index/data-root.ts';
import { IndexWriter } from '../../src/property-index/index-writer.ts';
import { createIndex } from '../../src/property-index/schema.ts';
import { ServeChild } from '../support/serve-child.ts';
import { against, alone, type BenchCase, type Figure, timed } from './bench-case.ts';
import { benchSettings } from './made-shard.ts';

const group = 'bench';

export function writeCase(count: number, clients: number, valueBytes: number): BenchCase {
  const text = 'x'.repeat(valueBytes);
  return {
    name: `write-${count}`,
    description: `${count} writes of ${valueBytes} bytes by ${clients} clients at once, over HTTP and gRPC`,
    run: async (directory): Promise<Figure[]> => {
      const raw = await timed(() => writeRaw(join(directory, 'raw'), count, clients, text));
      const root = join(directory, 'served');
      await createGroup(root, group, benchSettings);
      await using served = await ServeChild.start(
        ['--root', root, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
        { TALLYSTICK_PROPERTY_LISTEN: '127.0.0.1:0', TALLYSTICK_LOG_LEVEL: 'warn' },
      );
      const http = await timed(() => asClients(count, clients, (at) => putHttp(served, `http-${at}`, text)));
      using connection = new PeerConnection({
        place: served.ready.property ?? '',
        clock: systemClock,
      });
      const calls = connection.client(PropertyService);
      const tags = [{ key: 'text', value: { value: { case: 'str' as const, value: { value: text } } } }];
      const grpc = await timed(() =>
        asClients(count, clients, async (at) => {
          const property = { metadata: { group, name: 'n' }, id: `grpc-${at}`, tags };
          await calls.apply(create(ApplyRequestSchema, { property }));
        }),
      );
      const per = (ms: number) => (ms / count) * 1_000;
      return [
        against(`1,000 writes by ${clients} clients over HTTP`, 'ms', per(http.ms), per(raw.ms), null),
        against(`1,000 writes by ${clients} clients over gRPC`, 'ms', per(grpc.ms), per(raw.ms), null),
        alone('writes, event-loop delay p99 of the replica', 'ms', await delayMs(served), 50),
      ];
    },
  };
}

/** Each client makes one write after another until all are made. */
async function asClients(
  count: number,
  clients: number,
  write: (at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) await write(at);
  };
  await Promise.all(Array.from({ length: clients }, client));
}

async function putHttp({ ready }: ServeChild, id: string, text: string): Promise<void> {
  const tags = [{ key: 'text', value: { str: { value: text } } }];
  const response = await fetch(`http://${ready.admin}/v1/property/data/${group}/n/${id}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ property: { tags } }),
  });
  const answer = await response.json();
  if (response.status !== 200) throw new Error(JSON.stringify(answer));
}

async function delayMs({ ready }: ServeChild): Promise<number> {
  const metrics = await (await fetch(`http://${ready.admin}/metrics`)).text();
  return Number(/^tallystick_nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(metrics)?.[1]) * 1_000;
}

async function writeRaw(root: string, count: number, clients: number, text: string): Promise<void> {
  const identity = { root, group, shard: 0 };
  await createGroup(root, group, benchSettings);
  await createIndex(identity, benchSettings);
  using writer = new IndexWriter(identity, { clock: systemClock });
  for (let start = 0; start < count; start += clients) {
    const records = Array.from({ length: Math.min(clients, count - start) }, (_, at) => ({
      property: {
        ...{ group, name: 'n', id: `raw-${start + at}`, metadataId: 0, createRevision: 0n, modRevision: 0n },
        tags: [{ key: 'text', value: { kind: 'str' as const, value: text } }],
        updatedAt: null,
      },
      ...{
        deleteTime: 0n,
        stamped: false,
        createRevisionGiven: false,
        updatedAtGiven: false,
        spelling: null,
      },
    }));
    await writer.put(records);
  }
}
