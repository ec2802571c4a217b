/**
 * Whether our model of a BanyanDB node is true: the same repair streams are sent to it and to a real node, and all that
 * they answer is compared. Skipped unless the variable BANYANDB_BIN names a BanyanDB server program.
 */
import { type MessageInitShape, create, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BanyandbNode } from '../../src/banyandb/banyandb-node.ts';
import {
  RepairRequestSchema,
  type RepairResponse,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import { PropertySchema } from '../../src/banyandb/generated/banyandb/property/v1/property_pb.ts';
import { documentId, fromWireProperty, toWireProperty } from '../../src/banyandb/node-property.ts';
import { type NodePlace, noRoot, RepairStream } from '../../src/banyandb/repair-stream.ts';
import { CodedError } from '../../src/lib/coded-error.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Property, TagValue } from '../../src/property/property.ts';
import { BanyandbCluster, banyandbProgram } from '../support/banyandb-cluster.ts';
import { until } from '../support/banyandb-gateway.ts';
import { ModelNode } from '../support/model-node.ts';
import { ModelRepairSession } from '../support/model-repair-session.ts';
import { type SeededRandom, seededRandom, testSeed } from '../support/seeded-random.ts';

type Request = NonNullable<MessageInitShape<typeof RepairRequestSchema>['data']>;

const minute = 60_000;
const group = 'modelled';

/** Delete times from here on are a node's own clock, which the two do not share. */
const ownTimes = systemClock.nowNs();

/** An hour before, since a node sweeps what was deleted long ago when it merges. */
const deletedAt = ownTimes - 3_600_000_000_000n;

describe.skipIf(banyandbProgram === '')(
  'the model of a node; skipped where BANYANDB_BIN names no BanyanDB server program',
  () => {
    const cluster = new BanyandbCluster();
    let client: BanyandbNode;
    let model = new ModelNode();

    /** What the real node answers to a stream of these requests, and how it ends. */
    const askNode = async (requests: readonly Request[]): Promise<string[]> => {
      const { connection, deadlines } = await client.repair();
      const place: NodePlace = { connection, deadlines, group, shard: 0 };
      using stream = new RepairStream(place, undefined);
      for (const request of requests) stream.send(request);
      stream.end();
      const answers: string[] = [];
      try {
        for (;;) {
          const answer = await stream.next('answering', minute);
          if (answer === null) return [...answers, 'ok'];
          answers.push(...readable(answer));
        }
      } catch (error) {
        // Whatever a failed stream is called here, it did not end well.
        expect(error).toBeInstanceOf(CodedError);
        return [...answers, 'failed'];
      }
    };

    const askModel = (requests: readonly Request[]): string[] => {
      const session = new ModelRepairSession(model);
      const answers = requests.flatMap((data) => session.receive(create(RepairRequestSchema, { data })));
      answers.push(...session.close());
      const ended = session.ended === 'ok' ? 'ok' : 'failed';
      return [...answers.flatMap(readable), ended];
    };

    const compare = async (requests: readonly Request[]): Promise<void> => {
      const expected = await askNode(requests);
      expect(askModel(requests)).toEqual(expected);
    };

    /** Takes over what the node has of an entity. */
    const adopt = async (id: string): Promise<void> => {
      const { connection, deadlines } = await client.repair();
      using stream = new RepairStream({ connection, deadlines, group, shard: 0 }, undefined);
      for (const request of opening) stream.send(request);
      stream.send({ case: 'propertyMissing', value: { entity: `${group}/p/${id}` } });
      stream.end();
      for (;;) {
        const answer = await stream.next('adopting', minute);
        if (answer === null) throw new Error(`the node has no ${id}`);
        const { data } = answer;
        if (data.case !== 'propertySync' || data.value.property?.property === undefined) continue;
        model.shard(group, 0).write(fromWireProperty(data.value.property.property));
        return;
      }
    };

    beforeAll(async () => {
      await cluster.start();
      await cluster.gateway.makeGroup(group, 1);
      const [first = ''] = cluster.places;
      client = new BanyandbNode({ place: first, clock: systemClock });
      await until('a tree', async () => ((await askNode(opening)).at(-1) === 'ok' ? true : null));
      // From here on no tree is built but after what was pushed.
      await cluster.stop(first);
      const never = [
        '--property-repair-build-tree-cron=@every 24h',
        '--property-repair-quick-build-tree-time=24h',
      ];
      await cluster.restart(first, { flags: never });
      // Which way its program spells shows in its one leaf.
      const leaf = await askNode(opening);
      for (const spelling of ['compact', 'spaced'] as const) {
        model = new ModelNode({ everBuilt: true, spelling });
        await adopt('first');
        model.build();
        if (JSON.stringify(askModel(opening)) === JSON.stringify(leaf)) return;
      }
      throw new Error(`neither spelling gives ${leaf.join()}`);
    }, 4 * minute);

    afterAll(async () => {
      client[Symbol.dispose]();
      await cluster[Symbol.asyncDispose]();
    }, minute);

    test.each(['another-shard', 'nothing', 'known-slots', 'other-messages'])(
      'answers a stream of %s as the node does',
      async (kind) => {
        const slots = (...slotSha: { slot: number; value: string }[]): Request => ({
          case: 'treeSlots',
          value: { slotSha },
        });
        const root = (value: string): Request => ({
          case: 'treeRoot',
          value: { group, shardId: 0, rootSha: value },
        });
        const streams: Record<string, Request[]> = {
          'another-shard': [{ case: 'treeRoot', value: { group, shardId: 7, rootSha: noRoot } }, slots()],
          nothing: [],
          'known-slots': [
            root(noRoot),
            slots(...Array.from({ length: 32 }, (_, slot) => ({ slot, value: noRoot }))),
            slots({ slot: 40, value: noRoot }),
            slots(),
            { case: 'waitNextDiffer', value: {} },
          ],
          'other-messages': [
            { case: 'waitNextDiffer', value: {} },
            root(noRoot),
            missing('first'),
            root(model.shard(group, 0).tree?.root ?? ''),
            slots(),
          ],
        };
        await compare(streams[kind] ?? []);
      },
      minute,
    );

    test(
      'takes and refuses random pushes as the node does, and has its trees',
      async () => {
        const seed = testSeed();
        console.log(`seed ${seed}`);
        const random = seededRandom(seed);
        for (let session = 0; session < 40; session++) {
          const requests = Array.from({ length: 1 + random.below(12) }, (): Request => {
            const id = `r-${random.below(4)}`;
            if (random.below(4) === 0) return missing(id);
            if (random.below(8) === 0) return wait;
            const revision = BigInt(1 + random.below(4));
            const deleteTime = random.pick([0n, deletedAt, deletedAt + 1n]);
            return push(id, revision, { deleteTime, value: pick(random) });
          });
          await compare([...opening, ...requests]);
          await compare([...opening, ...Array.from({ length: 64 }, (): Request => wait)]);
        }
      },
      5 * minute,
    );

    test(
      'has a stale tree after writes through the liaison, as the node does',
      async () => {
        await cluster.gateway.writeAll(group, ['stale-1', 'stale-2'], 'x');
        for (const id of ['stale-1', 'stale-2'])
          await until(id, () =>
            adopt(id).then(
              () => true,
              () => null,
            ),
          );
        await compare([...opening, missing('stale-1'), missing('stale-2'), missing('stale-3')]);
        await compare([...opening, push('after', 5n, { deleteTime: 0n })]);
        await compare([...opening, ...Array.from({ length: 64 }, (): Request => wait)]);
      },
      2 * minute,
    );
    test(
      'answers long slots, in pages, as the node does',
      async () => {
        const many = Array.from({ length: 400 }, (_, at) => push(`many-${at}`, 10n, { deleteTime: 0n }));
        await compare([...opening, ...many]);
        await compare([...opening, ...Array.from({ length: 64 }, (): Request => wait)]);
      },
      2 * minute,
    );

    // The last: what a node goes on with after it panicked is its own affair.
    test(
      'fails a stream at what makes a node panic, as the node does',
      async () => {
        const emptyIntegers: TagValue = { kind: 'intArray', value: [] };
        await compare([...opening, push('taken', 2n, { deleteTime: 0n })]);
        // Nothing comes of what is not to be stored.
        await compare([...opening, push('taken', 1n, { deleteTime: 0n, value: emptyIntegers })]);
        await compare([...opening, push('taken', 3n, { deleteTime: 0n, value: emptyIntegers })]);
        await compare([{ case: 'treeSlots', value: { slotSha: [] } }]);
      },
      minute,
    );
  },
);

/** The messages that begin a stream which is to answer with every leaf. */
const opening: readonly Request[] = [
  { case: 'treeRoot', value: { group, shardId: 0, rootSha: noRoot } },
  { case: 'treeSlots', value: { slotSha: [] } },
];

const wait: Request = { case: 'waitNextDiffer', value: {} };

function missing(id: string): Request {
  return { case: 'propertyMissing', value: { entity: `${group}/p/${id}` } };
}

/** Mostly a text; now and then what a node cannot store. */
function pick(random: SeededRandom): TagValue | null {
  const odd: readonly (TagValue | null)[] = [
    null,
    { kind: 'empty' },
    { kind: 'null' },
    { kind: 'strArray', value: [] },
    { kind: 'binaryData', value: Buffer.alloc(0) },
  ];
  const at = random.below(24);
  return at < odd.length ? (odd[at] ?? null) : { kind: 'str', value: `text ${random.below(3)}` };
}

function push(
  id: string,
  revision: bigint,
  { deleteTime, value = { kind: 'str', value: 'x' } }: { deleteTime: bigint; value?: TagValue | null },
): Request {
  const property: Property = {
    group,
    name: 'p',
    id,
    metadataId: 0,
    createRevision: 1n,
    modRevision: revision,
    tags: [{ key: 's', value }],
    updatedAt: { seconds: 1n, nanos: 0 },
  };
  const sync = { id: documentId(property), property: toWireProperty(property), deleteTime };
  return { case: 'propertySync', value: sync };
}

/** An answer as lines; a delete time that is the node's own clock is left out. */
function readable({ data }: RepairResponse): string[] {
  switch (data.case) {
    case 'rootCompare':
      return [`root ${data.value.treeFound} ${data.value.rootShaMatch}`];
    case 'differTreeSummary': {
      const { nodes } = data.value;
      const leaves = nodes.map(
        ({ slotIndex, exists, entity, sha }) => `leaf ${slotIndex} ${exists} ${entity} ${sha.slice(0, 16)}`,
      );
      return [`page of ${nodes.length}`, ...leaves];
    }
    case 'propertySync': {
      const { from, property: sync } = data.value;
      const property = sync?.property ?? create(PropertySchema);
      const time = sync?.deleteTime ?? 0n;
      const bytes = Buffer.from(toBinary(PropertySchema, property)).toString('hex');
      const id = Buffer.from(sync?.id ?? []).toString();
      return [`value ${from} ${id} ${time >= ownTimes ? 'own time' : time} ${bytes}`];
    }
    default:
      return ['nothing'];
  }
}
