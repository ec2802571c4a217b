/** Our messages and our model of a node, held to what nodes of BanyanDB said to each other. */
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import {
  type RepairRequest,
  RepairRequestSchema,
  type RepairResponse,
  RepairResponseSchema,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import { fromWireProperty, toWireProperty } from '../../src/banyandb/node-property.ts';
import { PropertySchema } from '../../src/banyandb/generated/banyandb/property/v1/property_pb.ts';
import { openBanyandbTree } from '../../src/banyandb/tree-file-view.ts';
import { goldenRoot, readGoldenDocuments } from '../support/golden.ts';
import type { ModelNode, ModelShard } from '../support/model-node.ts';
import { ModelRepairSession } from '../support/model-repair-session.ts';
import { readRecordedCalls, type RecordedCall } from '../support/recorded-calls.ts';
import {
  liveEntities,
  recordedNode,
  ringGroup,
  ringNames,
  ringShards,
  undeletedByBanyandb,
} from '../support/recorded-ring.ts';
import { repairOnce, repairRing } from '../support/model-own-repair.ts';

const repairs = readRecordedCalls().filter(({ method }) => method.endsWith('RepairService/Repair'));

function callOf(number: number): RecordedCall {
  const found = repairs.find(({ call }) => call === number);
  if (found === undefined) throw new Error(`no call ${number}`);
  return found;
}

function recordedNodes(): Map<string, ModelNode> {
  return new Map(ringNames.map((name) => [name, recordedNode(name)]));
}

function nodeOf(nodes: ReadonlyMap<string, ModelNode>, name: string): ModelNode {
  const node = nodes.get(name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
}

function hexOf<Desc extends DescMessage>(schema: Desc, messages: readonly MessageShape<Desc>[]): string[] {
  return messages.map((message) => Buffer.from(toBinary(schema, message)).toString('hex'));
}

function recordedHex(messages: RecordedCall['messages'], side: 'client' | 'server'): string[] {
  return messages.filter(({ from }) => from === side).map(({ bytes }) => bytes.toString('hex'));
}

function requestsOf(messages: RecordedCall['messages']): RepairRequest[] {
  const sent = messages.filter(({ from }) => from === 'client');
  return sent.map(({ bytes }) => fromBinary(RepairRequestSchema, bytes));
}

function shardOf(messages: RecordedCall['messages']): number {
  const [first] = requestsOf(messages);
  if (first?.data.case !== 'treeRoot') throw new Error('a call begins with a root');
  return first.data.value.shardId;
}

/** What the asking node makes of the answers it got. */
function takeAnswers(shard: ModelShard, messages: RecordedCall['messages']): void {
  let applied = false;
  for (const { from, bytes } of messages) {
    if (from !== 'server') continue;
    const { data } = fromBinary(RepairResponseSchema, bytes);
    if (data.case !== 'propertySync' || data.value.property === undefined) continue;
    applied = shard.push(data.value.property).applied || applied;
  }
  if (applied) shard.build();
}

const idsOf = ({ documents }: ModelShard): string[] =>
  documents.map(({ id, deleteTime }) => `${id} ${deleteTime === 0n ? 'live' : 'deleted'}`).sort();

/** Delete times that were there before the nodes repaired each other. */
const knownTimes = new Set(
  ringNames.flatMap((name) =>
    ringShards.flatMap((shard) => {
      const file = `ring-of-three/before/${name}/shard-${shard}/documents.ndjson`;
      return readGoldenDocuments(file).map(({ deleteTime }) => BigInt(deleteTime));
    }),
  ),
);

function withoutStamps(request: RepairRequest): RepairRequest {
  const { data } = request;
  if (data.case === 'propertySync' && !knownTimes.has(data.value.deleteTime)) data.value.deleteTime = -1n;
  return request;
}

describe('recorded repair streams', () => {
  test('hold every kind of message', () => {
    expect(repairs).toHaveLength(15);
    const kinds = new Set(
      repairs.flatMap(({ messages }) =>
        messages.map(({ from, bytes }) => {
          const { data } = fromBinary(from === 'client' ? RepairRequestSchema : RepairResponseSchema, bytes);
          return `${from} ${data.case}`;
        }),
      ),
    );
    expect(kinds.size).toBe(8);
  });

  test('every message parses and is written as it was, its property too', () => {
    let properties = 0;
    for (const { messages } of repairs) {
      for (const { from, bytes } of messages) {
        const schema = from === 'client' ? RepairRequestSchema : RepairResponseSchema;
        const message = fromBinary(schema, bytes);
        expect(message.$unknown).toBeUndefined();
        expect(Buffer.from(toBinary(schema, message)).equals(bytes)).toBe(true);
        if (message.data.case !== 'propertySync') continue;
        const inner = message.data.value;
        const sync = inner.$typeName === 'banyandb.property.v1.PropertySync' ? inner : inner.property;
        if (sync?.property === undefined) throw new Error('a sync without a property');
        const again = create(PropertySchema, toWireProperty(fromWireProperty(sync.property)));
        expect(Buffer.from(toBinary(PropertySchema, again))).toEqual(
          Buffer.from(toBinary(PropertySchema, sync.property)),
        );
        properties++;
      }
    }
    expect(properties).toBeGreaterThan(50);
  });

  test('the model answers all of them as the nodes did, and ends with their indexes and trees', async () => {
    const nodes = recordedNodes();
    for (const { call, client, server, messages } of repairs) {
      const session = new ModelRepairSession(nodeOf(nodes, server));
      const answers: RepairResponse[] = [];
      for (const request of requestsOf(messages)) answers.push(...session.receive(request));
      answers.push(...session.close());
      expect([call, ...hexOf(RepairResponseSchema, answers)]).toEqual([
        call,
        ...recordedHex(messages, 'server'),
      ]);
      expect(session.ended).toBe('ok');
      takeAnswers(nodeOf(nodes, client).shard(ringGroup, shardOf(messages)), messages);
    }
    for (const [name, node] of nodes) {
      for (const number of ringShards) {
        const found = node.shard(ringGroup, number);
        const after = recordedNode(name, 'after').shard(ringGroup, number);
        // Ids that stand twice are among them, as they were recorded.
        expect(idsOf(found)).toEqual(idsOf(after));
        const file = `${goldenRoot}/ring-of-three/after/${name}/shard-${number}/state-tree.data`;
        await using tree = await openBanyandbTree(file, { shard: number });
        expect(found.tree?.root).toBe(tree.description.root.toString('hex'));
      }
    }
  });

  // The first two exchanges of each shard; what comes after hangs on times that the nodes stamped meanwhile.
  test.each([
    [2, 4],
    [13, 15],
  ])('the model asks in calls %i and %i as the nodes did, but for the times it stamps', (...numbers) => {
    const nodes = recordedNodes();
    for (const number of numbers) {
      const { client, server, messages } = callOf(number);
      const shard = { group: ringGroup, shard: shardOf(messages) };
      const said = repairOnce(nodeOf(nodes, client), nodeOf(nodes, server), shard);
      const unstamped = (requests: readonly RepairRequest[]): string[] =>
        hexOf(RepairRequestSchema, requests.map(withoutStamps));
      expect(unstamped(said)).toEqual(unstamped(requestsOf(messages)));
    }
  });

  test('a ring of models brings back the deletes that the recorded ring did', () => {
    const nodes = ringNames.map((name) => recordedNode(name));
    const [first, second, third] = nodes as [ModelNode, ModelNode, ModelNode];
    // As recorded: each shard's rounds began at these nodes.
    for (let round = 0; round < 3; round++) {
      repairRing([first, second, third], { group: ringGroup, shard: 0 });
      repairRing([second, third, first], { group: ringGroup, shard: 1 });
    }
    for (const node of nodes) {
      expect(liveEntities(node)).toEqual(expect.arrayContaining([...undeletedByBanyandb]));
      expect(liveEntities(node).sort()).toEqual(liveEntities(recordedNode(node.name, 'after')).sort());
    }
    for (const shard of ringShards) {
      expect(new Set(nodes.map((node) => node.shard(ringGroup, shard).tree?.root)).size).toBe(1);
    }
  });
});
