/** How deletes are pushed to a BanyanDB node, whose own rule is no join: one document is left, and none is undone. On a model. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BanyandbNode } from '../../src/banyandb/banyandb-node.ts';
import { NodeShardCopy } from '../../src/banyandb/node-shard-copy.ts';
import type { StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { type ServedNode, serveNode } from '../support/model-cluster.ts';
import { ModelNode } from '../support/model-node.ts';
import { makeVersion } from '../support/versions.ts';
import { applyAll, many, results } from './shard-copy-fixture.ts';

describe('deletes at a BanyanDB node', () => {
  let node: ModelNode;
  let served: ServedNode;
  let client: BanyandbNode;
  let copy: NodeShardCopy;
  beforeEach(async () => {
    node = new ModelNode();
    served = await serveNode(node);
    client = served.client();
    const options = { pushesPerSecond: 0, deleteExpiryMs: null };
    copy = new NodeShardCopy(client, { group: 'g', shard: 0, shards: 1 }, options);
  });
  afterEach(async () => {
    copy[Symbol.dispose]();
    client[Symbol.dispose]();
    await served.stop();
  });

  const shard = () => node.shard('g', 0);
  const load = (versions: readonly StoredVersion[]): void => {
    for (const version of versions) shard().load(version);
    node.build();
  };

  test('a tombstone onto a live copy of its revision leaves one document', async () => {
    load(many(20));
    const dead = many(20).map(({ key }) =>
      makeVersion({ id: key.toString('utf8', 2), revision: 10n, deleteTime: 50n }),
    );
    expect(new Set(results(await applyAll(copy, dead)))).toEqual(new Set(['applied']));
    const ids = shard().documents.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(shard().documents.map(({ deleteTime }) => deleteTime)).toEqual(dead.map(() => 50n));
  });

  test('two tombstones of one revision, as its own repair leaves them, become the one that is pushed', async () => {
    load([makeVersion({ id: 'e0', revision: 10n, deleteTime: 50n })]);
    const [document] = shard().documents;
    // What it answers is the first of them, what it compares a push to is the last.
    shard().documents = [{ ...document!, deleteTime: 40n }, document!];
    const pushed = makeVersion({ id: 'e0', revision: 10n, deleteTime: 50n });
    expect(results(await applyAll(copy, [pushed]))).toEqual(['applied']);
    expect(shard().documents.map(({ deleteTime }) => deleteTime)).toEqual([50n]);
  });

  test('a tombstone of the first nanosecond is never pushed as a live copy', async () => {
    load([makeVersion({ id: 'e0', revision: 10n })]);
    const pushed: bigint[] = [];
    const { push } = shard();
    shard().push = (sync) => {
      pushed.push(sync.deleteTime);
      return push.call(shard(), sync);
    };
    const dead = makeVersion({ id: 'e0', revision: 10n, deleteTime: 1n });
    expect(results(await applyAll(copy, [dead]))).toEqual(['applied']);
    expect(pushed).not.toContain(0n);
    expect(shard().documents.map(({ deleteTime }) => deleteTime)).toEqual([1n]);
  });

  test('a live copy never goes onto a tombstone of its revision', async () => {
    load([makeVersion({ id: 'e0', revision: 10n, deleteTime: 12n })]);
    expect(results(await applyAll(copy, many(1)))).toEqual(['kept']);
    expect(served.requests.get('propertySync')).toBeUndefined();
    expect(shard().newest('g/n/e0')?.deleteTime).toBe(12n);
  });
});
