/** Our messages and our model of a node, held to what nodes of BanyanDB said to each other. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import {
  RepairRequestSchema,
  type RepairResponse,
  RepairResponseSchema,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import { fromWireProperty, toWireProperty } from '../../src/banyandb/node-property.ts';
import { PropertySchema } from '../../src/banyandb/generated/banyandb/property/v1/property_pb.ts';
import type { ModelNode } from '../support/model-node.ts';
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
import { repairRing } from '../support/model-own-repair.ts';

const repairs = readRecordedCalls().filter(({ method }) => method.endsWith('RepairService/Repair'));

function callOf(number: number): RecordedCall {
  const found = repairs.find(({ call }) => call === number);
  if (found === undefined) throw new Error(`no call ${number}`);
  return found;
}

const readable = (messages: readonly RepairResponse[]): string[] =>
  messages.map((message) => Buffer.from(toBinary(RepairResponseSchema, message)).toString('hex'));

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

  // Of these two the serving node's index is known: each is the first of its shard.
  test.each([2, 13])('the model answers the client of call %i as the node did', (number) => {
    const { server, messages } = callOf(number);
    const session = new ModelRepairSession(recordedNode(server));
    const answers: RepairResponse[] = [];
    for (const { from, bytes } of messages) {
      if (from === 'client') answers.push(...session.receive(fromBinary(RepairRequestSchema, bytes)));
    }
    answers.push(...session.close());
    const recorded = messages
      .filter(({ from }) => from === 'server')
      .map(({ bytes }) => bytes.toString('hex'));
    expect(readable(answers)).toEqual(recorded);
    expect(session.ended).toBe('ok');
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
