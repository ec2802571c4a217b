/** How deletes are pushed to a BanyanDB node, whose own rule is no join: one document is left, and none is undone. On a model. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeVersion } from '../support/versions.ts';
import { NodeCopyFixture } from './node-copy-fixture.ts';
import { applyAll, many, results } from './shard-copy-fixture.ts';

describe('deletes at a BanyanDB node', () => {
  let model: NodeCopyFixture;
  beforeEach(async () => {
    model = await NodeCopyFixture.open();
  });
  afterEach(async () => await model[Symbol.asyncDispose]());

  test('a tombstone onto a live copy of its revision leaves one document', async () => {
    model.load(many(20));
    const dead = many(20).map(({ key }) =>
      makeVersion({ id: key.toString('utf8', 2), revision: 10n, deleteTime: 50n }),
    );
    expect(new Set(results(await applyAll(model.copy, dead)))).toEqual(new Set(['applied']));
    const ids = model.shard.documents.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(model.shard.documents.map(({ deleteTime }) => deleteTime)).toEqual(dead.map(() => 50n));
  });

  test('two tombstones of one revision, as its own repair leaves them, become the one that is pushed', async () => {
    model.load([makeVersion({ id: 'e0', revision: 10n, deleteTime: 50n })]);
    const [document] = model.shard.documents;
    // What it answers is the first of them, what it compares a push to is the last.
    model.shard.documents = [{ ...document!, deleteTime: 40n }, document!];
    const pushed = makeVersion({ id: 'e0', revision: 10n, deleteTime: 50n });
    expect(results(await applyAll(model.copy, [pushed]))).toEqual(['applied']);
    expect(model.shard.documents.map(({ deleteTime }) => deleteTime)).toEqual([50n]);
  });

  test('a tombstone of the first nanosecond is never pushed as a live copy', async () => {
    model.load([makeVersion({ id: 'e0', revision: 10n })]);
    const pushed: bigint[] = [];
    const { push } = model.shard;
    model.shard.push = (sync) => {
      pushed.push(sync.deleteTime);
      return push.call(model.shard, sync);
    };
    const dead = makeVersion({ id: 'e0', revision: 10n, deleteTime: 1n });
    expect(results(await applyAll(model.copy, [dead]))).toEqual(['applied']);
    expect(pushed).not.toContain(0n);
    expect(model.shard.documents.map(({ deleteTime }) => deleteTime)).toEqual([1n]);
  });

  test('a live copy never goes onto a tombstone of its revision', async () => {
    model.load([makeVersion({ id: 'e0', revision: 10n, deleteTime: 12n })]);
    expect(results(await applyAll(model.copy, many(1)))).toEqual(['kept']);
    expect(model.served.requests.get('propertySync')).toBeUndefined();
    expect(model.shard.newest('g/n/e0')?.deleteTime).toBe(12n);
  });
});
