/** Pushes over several streams to one node, a model of one. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BanyandbNode } from '../../../src/banyandb/banyandb-node.ts';
import { candidateOf } from '../../../src/banyandb/decide-push.ts';
import { PushPace } from '../../../src/banyandb/push-pace.ts';
import type { Push } from '../../../src/banyandb/push-stream.ts';
import { PushStreams } from '../../../src/banyandb/push-streams.ts';
import { PushWidth } from '../../../src/banyandb/push-width.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { parseSource } from '../../../src/property/source-json.ts';
import { many } from '../../contract/shard-copy-fixture.ts';
import { type ServedNode, serveNode } from '../../support/model-cluster.ts';
import { ModelNode } from '../../support/model-node.ts';

let node: ModelNode;
let served: ServedNode;
let client: BanyandbNode;

beforeEach(async () => {
  node = new ModelNode({ everBuilt: true });
  served = await serveNode(node);
  client = served.client();
});

afterEach(async () => {
  client[Symbol.dispose]();
  await served.stop();
});

/** A width at which 4 streams were found to pay off. */
function widthOfFour(): PushWidth {
  const width = new PushWidth({ expected: 5_000, properties: 0, paced: true });
  width.took(20, 2_000, 0);
  width.took(40, 2_000, 0);
  expect(width.streams).toBe(4);
  return width;
}

async function openStreams(): Promise<PushStreams> {
  const clock = systemClock;
  const place = { ...(await client.repair()), group: 'g', shard: 0 };
  const pace = new PushPace(clock, 0);
  return new PushStreams(place, { known: null, pace, clock, width: widthOfFour(), signal: undefined });
}

const pushesOf = (count: number, revision: bigint): Push[] =>
  many(count, revision).map((version) => ({
    ...candidateOf(parseSource(version.source), version),
    settle: false,
  }));

test('each result is of its version, whichever stream it went over, and every stream is ended', async () => {
  // The node has a greater revision of every third by the time they come.
  for (const [at, { source }] of many(90, 20n).entries()) {
    if (at % 3 === 0) node.shard('g', 0).write(parseSource(source));
  }
  const streams = await openStreams();
  const results = await streams.push(pushesOf(90, 10n), null);
  expect(results.map(({ result }) => result)).toEqual(
    Array.from({ length: 90 }, (_, at) => (at % 3 === 0 ? 'kept' : 'applied')),
  );
  expect(served.requests.get('treeRoot')).toBe(4);
  expect(node.shard('g', 0).tree).toBeNull();
  await streams[Symbol.asyncDispose]();
  expect(node.shard('g', 0).tree?.slots.flatMap(({ leaves }) => leaves)).toHaveLength(90);
});

test('there are no more streams than versions', async () => {
  await using streams = await openStreams();
  expect(await streams.push(pushesOf(2, 10n), null)).toHaveLength(2);
  expect(served.requests.get('treeRoot')).toBe(2);
  expect(await streams.push([], null)).toEqual([]);
});

test('where the streams break the batch fails by name, and closing has nothing to wait for', async () => {
  const streams = await openStreams();
  await streams.push(pushesOf(8, 10n), null);
  await served.stop();
  await expect(streams.push(pushesOf(8, 11n), null)).rejects.toMatchObject({
    details: { place: served.place },
  });
  await streams[Symbol.asyncDispose]();
});
