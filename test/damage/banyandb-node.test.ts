/** Nodes that say what cannot be, say nothing, or break off: each ends its own run with an error that names it. */
import { create } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type RepairResponse,
  RepairResponseSchema,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import type { BanyandbNode } from '../../src/banyandb/banyandb-node.ts';
import { NodeShardCopy } from '../../src/banyandb/node-shard-copy.ts';
import { parseSource } from '../../src/property/source-json.ts';
import { applyAll, fetchAll, many, results } from '../contract/shard-copy-fixture.ts';
import { type ServedNode, serveNode, type ServeNodeOptions } from '../support/model-cluster.ts';
import { ModelNode } from '../support/model-node.ts';

let open: (ServedNode | BanyandbNode)[] = [];

afterEach(async () => {
  for (const one of open) await ('stop' in one ? one.stop() : one[Symbol.dispose]());
  open = [];
});

/** A copy at a node with 60 properties that answers as `options` have it. */
async function copyAt(
  options: ServeNodeOptions,
  client: Parameters<ServedNode['client']>[0] = {},
  pushesPerSecond = 0,
): Promise<NodeShardCopy> {
  const node = new ModelNode();
  for (const { source } of many(60)) node.shard('g', 0).write(parseSource(source));
  node.build();
  const served = await serveNode(node, options);
  const reached = served.client({
    deadlines: { rootMs: 300, pageMs: 300, valueMs: 300, pushMs: 300, endMs: 300 },
    ...client,
  });
  open.push(served, reached);
  return new NodeShardCopy(
    reached,
    { group: 'g', shard: 0, shards: 1 },
    { pushesPerSecond, deleteExpiryMs: null },
  );
}

/** Changes each page of leaves. */
const pages =
  (change: (leaf: { slotIndex: number; exists: boolean; entity: string; sha: string }, at: number) => void) =>
  (answers: RepairResponse[]): RepairResponse[] => {
    for (const { data } of answers) if (data.case === 'differTreeSummary') data.value.nodes.forEach(change);
    return answers;
  };

/** Changes each value. */
const values =
  (
    change: (
      sync: NonNullable<Extract<RepairResponse['data'], { case: 'propertySync' }>['value']['property']>,
    ) => void,
  ) =>
  (answers: RepairResponse[]): RepairResponse[] => {
    for (const { data } of answers) {
      if (data.case === 'propertySync' && data.value.property !== undefined) change(data.value.property);
    }
    return answers;
  };

describe('leaves that cannot be', () => {
  const cases: [string, ServeNodeOptions['tamper'], RegExp][] = [
    [
      'of another group',
      pages((leaf) => (leaf.entity = leaf.entity.replace('g/', 'h/'))),
      /in the tree of group g/,
    ],
    ['of no entity', pages((leaf) => (leaf.entity = 'nothing')), /an entity that is none/],
    [
      'of an entity beyond its ceiling',
      pages((leaf) => (leaf.entity = `g/n/${'x'.repeat(9_000)}`)),
      /an entity of/,
    ],
    ['with half a digest', pages((leaf) => (leaf.sha = leaf.sha.slice(64))), /a digest that is none/],
    [
      'with a digest in capitals',
      pages((leaf) => (leaf.sha = leaf.sha.toUpperCase())),
      /a digest that is none/,
    ],
    [
      'of a slot below',
      pages((leaf, at) => (leaf.slotIndex = at === 0 ? leaf.slotIndex : -1)),
      /a leaf of slot -1/,
    ],
    ['of a slot beyond all', pages((leaf) => (leaf.slotIndex = 70_000)), /a leaf of slot 70000/],
    ['that do not exist', pages((leaf) => (leaf.exists = false)), /a leaf of slot/],
    ['twice the same', pages((leaf) => (leaf.entity = 'g/n/e1')), /out of order/],
  ];
  test.each(cases)('%s', async (_, tamper, message) => {
    const copy = await copyAt(tamper === undefined ? {} : { tamper });
    await expect(copy.openView()).rejects.toMatchObject({
      code: 'bad-message',
      message: expect.stringMatching(message) as unknown,
    });
    await expect(copy.openView()).rejects.toMatchObject({ details: { place: copy.place } });
  });

  test('a leaf left out, or changed, does not make the root that the node has', async () => {
    const swapped = await copyAt({ tamper: pages((leaf) => (leaf.sha = 'ab'.repeat(64))) });
    await expect(swapped.openView()).rejects.toMatchObject({ code: 'generation-gone' });
    const cut = await copyAt({
      tamper: (answers) => {
        for (const { data } of answers) if (data.case === 'differTreeSummary') data.value.nodes.splice(1, 1);
        return answers;
      },
    });
    await expect(cut.openView()).rejects.toMatchObject({ code: 'generation-gone' });
  });

  test('more leaves than are held', async () => {
    const copy = await copyAt({}, { limits: { treeBytesMax: 1_000 } });
    await expect(copy.openView()).rejects.toMatchObject({ code: 'too-large', details: { ceiling: 1_000 } });
  });

  test('a page beyond the ceiling of a message', async () => {
    const copy = await copyAt({}, { limits: { acceptBytesMax: 200 } });
    await expect(copy.openView()).rejects.toMatchObject({ code: 'too-large' });
  });
});

describe('values that cannot be', () => {
  const cases: [string, ServeNodeOptions['tamper'], RegExp][] = [
    [
      'of another entity',
      values((sync) => {
        if (sync.property) sync.property.id = 'e7';
      }),
      /wrong document id/,
    ],
    [
      'of another group',
      values((sync) => {
        if (sync.property?.metadata) sync.property.metadata.group = 'h';
      }),
      /of group g/,
    ],
    [
      'with a negative delete time',
      values((sync) => {
        sync.deleteTime = -1n;
      }),
      /delete time/,
    ],
    [
      'without metadata',
      values((sync) => {
        if (sync.property) delete sync.property.metadata;
      }),
      /of group g/,
    ],
    [
      'without a property',
      values((sync) => {
        delete sync.property;
      }),
      /without a property/,
    ],
    [
      'of a time that cannot be',
      values((sync) => {
        if (sync.property)
          sync.property.updatedAt = { $typeName: 'google.protobuf.Timestamp', seconds: 1n << 60n, nanos: 0 };
      }),
      /cannot be/,
    ],
  ];
  test.each(cases)('%s', async (_, tamper, message) => {
    const copy = await copyAt(tamper === undefined ? {} : { tamper });
    const keys = many(3).map(({ key }) => key);
    await expect(fetchAll(copy, keys)).rejects.toMatchObject({
      code: 'bad-message',
      message: expect.stringMatching(message) as unknown,
      details: { place: copy.place },
    });
  });

  test('that nobody asked for', async () => {
    const copy = await copyAt({});
    const other = await copyAt({
      tamper: values((sync) => {
        if (sync.property === undefined) return;
        sync.property.id = 'e9';
        sync.id = Buffer.from('g/n/e9/10');
      }),
    });
    const keys = many(3).map(({ key }) => key);
    expect(await fetchAll(copy, keys)).toHaveLength(3);
    await expect(fetchAll(other, keys)).rejects.toMatchObject({
      code: 'bad-message',
      message: expect.stringMatching(/not due/) as unknown,
    });
  });
});

describe('nodes that say nothing, or the wrong thing', () => {
  const silent = { tamper: () => [] };

  test('a silent node ends each step by its own timeout', async () => {
    const copy = await copyAt({
      onRequest: () => undefined,
      tamper: (answers, request) => (request === null ? [] : answers.slice(0, 0)),
    });
    await expect(copy.openView()).rejects.toMatchObject({
      code: 'timeout',
      details: { step: 'comparing roots' },
    });
    await expect(
      fetchAll(
        await copyAt(silent),
        many(1).map(({ key }) => key),
      ),
    ).rejects.toMatchObject({ code: 'timeout' });
  });

  test('an answer to another question', async () => {
    const copy = await copyAt({
      tamper: () => [
        create(RepairResponseSchema, { data: { case: 'differTreeSummary', value: { nodes: [] } } }),
      ],
    });
    await expect(copy.openView()).rejects.toMatchObject({ code: 'bad-message' });
  });

  test.each([0, 200])(
    'a push of which nothing comes back is refused with a reason, at a limit of %i a second',
    async (pushesPerSecond) => {
      const tamper: ServeNodeOptions['tamper'] = (answers, request) =>
        request?.data.case === 'propertyMissing' && request.data.value.entity === 'g/n/e3' ? [] : answers;
      const answers = await applyAll(await copyAt({ tamper }, {}, pushesPerSecond), many(5, 11n));
      expect(results(answers)).toEqual(['applied', 'applied', 'applied', 'refused', 'applied']);
    },
  );

  test('where the last push is one of which nothing comes back, a question after it shows that', async () => {
    const silentOf = 'g/n/e4';
    const copy = await copyAt({
      tamper: (answers, request) =>
        request?.data.case === 'propertyMissing' && request.data.value.entity === silentOf ? [] : answers,
    });
    const batch = [...many(1), ...many(5, 11n).slice(1)];
    expect(results(await applyAll(copy, batch))).toEqual([
      'kept',
      'applied',
      'applied',
      'applied',
      'refused',
    ]);
  });

  test('a node that breaks off during pushes is an error that names it', async () => {
    let pushed = 0;
    const node = new ModelNode({ everBuilt: true });
    const served = await serveNode(node, {
      onRequest: ({ data }) => {
        if (data.case === 'propertySync' && ++pushed === 20) void served.stop();
      },
    });
    const client = served.client();
    open.push(served, client);
    const copy = new NodeShardCopy(
      client,
      { group: 'g', shard: 0, shards: 1 },
      { pushesPerSecond: 0, deleteExpiryMs: null },
    );
    await expect(applyAll(copy, many(100))).rejects.toMatchObject({
      code: 'unreachable',
      details: { place: served.place },
    });
    expect(node.shard('g', 0).documents.length).toBeLessThan(100);
  });
});
