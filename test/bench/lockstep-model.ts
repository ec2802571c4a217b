/**
 * A model of how BanyanDB's nodes repair each other, over the same gRPC library and the same indexes: 32 slots,
 * pages of ten leaves that wait for each other, a message for each property that is asked for and one for each
 * that is sent, each applied durably by itself. The replica that fills is the client, as when it opens the
 * exchange. Generous where the model is simpler: entities are looked up by key, not by a search.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { connectNodeAdapter, createGrpcTransport } from '@connectrpc/connect-node';
import { PropertySchema } from '../../src/banyandb/generated/banyandb/property/v1/property_pb.ts';
import {
  type PropertySync,
  PropertySyncFromType,
  PropertySyncSchema,
  type RepairRequestSchema,
  type RepairResponseSchema,
  RepairService,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { SendQueue } from '../../src/peer/send-queue.ts';
import { sourceDigest } from '../../src/property/digest.ts';
import { entityKey, joinEntity, parseEntityKey, splitEntity } from '../../src/property/entity.ts';
import type { Property } from '../../src/property/property.ts';
import { parseSource, spellProperty } from '../../src/property/source-json.ts';
import type { StoredVersion } from '../../src/property/version.ts';
import { IndexReader } from '../../src/property-index/index-reader.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import { benchSettings } from './made-shard.ts';

type Request = MessageInitShape<typeof RepairRequestSchema>;
type Response = MessageInitShape<typeof RepairResponseSchema>;

const shard = { group: 'bench', shard: 0 };

/** Leaves in a page, as BanyanDB's page function gives them. */
const pageLeaves = 10;

export interface LockstepCost {
  readonly ms: number;
  readonly applied: number;
  readonly messages: number;
}

/** Fills the empty root `to` from the root `from`, which is served by a process of its own. */
export async function fillInLockstep(from: string, to: string): Promise<LockstepCost> {
  const program = fileURLToPath(import.meta.url);
  const server = spawn(process.execPath, [program, from], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const [port] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
    return await fill(to, Number(port));
  } finally {
    server.stdin.end();
    await once(server, 'close');
  }
}

async function fill(root: string, port: number): Promise<LockstepCost> {
  const clock = systemClock;
  // In this thread: for one property at a time another thread would only cost.
  const copy = new LocalShardCopy({ root, ...shard, clock });
  const client = createClient(RepairService, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }));
  const up = new SendQueue<Request>();
  const cost = { messages: 0, applied: 0 };
  const send = (data: Request['data']): void => {
    cost.messages += 1;
    up.push({ data } as Request);
  };
  const start = performance.now();
  await using session = await copy.openApply({ settings: benchSettings, confirmed: null });
  send({ case: 'treeRoot', value: { group: shard.group, shardId: shard.shard, rootSha: '' } });
  send({ case: 'treeSlots', value: { slotSha: [] } });
  for await (const { data } of client.repair(up)) {
    cost.messages += 1;
    if (data.case === 'differTreeSummary') {
      for (const { entity } of data.value.nodes) send({ case: 'propertyMissing', value: { entity } });
      send({ case: 'waitNextDiffer', value: {} });
      // One without leaves ends the comparison; the answers to all before have come by then.
      if (data.value.nodes.length === 0) up.end();
    } else if (data.case === 'propertySync' && data.value.property !== undefined) {
      const [result] = await session.apply([fromSync(data.value.property)]);
      if (result?.result === 'applied') cost.applied += 1;
    }
  }
  return { ms: performance.now() - start, ...cost };
}

async function serve(root: string): Promise<void> {
  const copy = new LocalShardCopy({ root, ...shard, clock: systemClock });
  using reader = new IndexReader({ root, ...shard });
  const server = createServer(
    connectNodeAdapter({
      routes: (router) => {
        router.service(RepairService, { repair: (requests) => answer(requests, copy, reader) });
      },
    }),
  );
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  console.log((server.address() as AddressInfo).port);
  process.stdin.resume();
  await once(process.stdin, 'end');
  server.close();
}

async function* answer(
  requests: AsyncIterable<{ readonly data: { readonly case: string | undefined; readonly value?: unknown } }>,
  copy: LocalShardCopy,
  reader: IndexReader,
): AsyncGenerator<Response> {
  const incoming = requests[Symbol.asyncIterator]();
  await incoming.next();
  yield { data: { case: 'rootCompare', value: { treeFound: true, rootShaMatch: false } } };
  await incoming.next();
  for await (const nodes of pagesOf(copy)) {
    yield { data: { case: 'differTreeSummary', value: { nodes } } };
    for (;;) {
      const { done, value } = await incoming.next();
      if (done || value.data.case === 'waitNextDiffer') break;
      if (value.data.case !== 'propertyMissing') continue;
      const { entity } = value.data.value as { entity: string };
      const version = reader.get(entityKey(splitEntity(entity)));
      if (version === null) continue;
      const from = PropertySyncFromType.MISSING;
      yield { data: { case: 'propertySync', value: { from, property: toSync(version) } } };
    }
  }
}

interface Node {
  readonly slotIndex: number;
  readonly exists: boolean;
  readonly entity: string;
  readonly sha: string;
}

/** The leaves of all slots in pages; one without leaves ends them. */
async function* pagesOf(copy: LocalShardCopy): AsyncGenerator<Node[]> {
  await using view = await copy.openView();
  const slots = (await Array.fromAsync(view.slots())).flat().map(({ slot }) => slot);
  for await (const { slot: slotIndex, leaves } of view.leaves(slots)) {
    const nodes = leaves.map(({ key, digest }) => {
      const entity = joinEntity(parseEntityKey(shard.group, key));
      return { slotIndex, exists: true, entity, sha: digest.toString('hex') };
    });
    for (let at = 0; at < nodes.length; at += pageLeaves) yield nodes.slice(at, at + pageLeaves);
  }
  yield [];
}

function toSync({ source, deleteTime }: StoredVersion): PropertySync {
  const property = parseSource(source);
  const { group, name, id, createRevision, modRevision } = property;
  const tags = property.tags.map(({ key, value }) => ({
    key,
    value: { value: { case: 'str' as const, value: { value: value?.kind === 'str' ? value.value : '' } } },
  }));
  const metadata = { group, name, createRevision, modRevision };
  return create(PropertySyncSchema, {
    id: Buffer.from(`${joinEntity(property)}/${modRevision}`),
    property: create(PropertySchema, { metadata, id, tags }),
    deleteTime,
  });
}

function fromSync({ property: sent, deleteTime }: PropertySync): StoredVersion {
  const { group = '', name = '', createRevision = 0n, modRevision = 0n } = sent?.metadata ?? {};
  const property: Property = {
    group,
    name,
    id: sent?.id ?? '',
    metadataId: 0,
    createRevision,
    modRevision,
    tags: (sent?.tags ?? []).map(({ key, value }) => ({
      key,
      value: { kind: 'str', value: value?.value.case === 'str' ? value.value.value.value : '' },
    })),
    updatedAt: null,
  };
  const source = spellProperty(property, benchSettings.spelling);
  return {
    key: entityKey(property),
    revision: modRevision,
    deleteTime,
    digest: sourceDigest(source, deleteTime),
    source,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(process.argv[2] ?? '');
