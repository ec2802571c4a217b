/** Where writes of a property store go besides this replica: sent on, or made elsewhere where the shard is not held. */
import { describe, expect, test } from 'vitest';
import { CodedError } from '../../../src/lib/coded-error.ts';
import { entityHash, shardOf } from '../../../src/property/placement.ts';
import { parseSource } from '../../../src/property/source-json.ts';
import { makeStore, oneShard, replicasOf, sent } from '../../support/made-store.ts';
import { StandingClock } from '../../support/standing-clock.ts';
import { MemoryShardCopy } from '../../support/memory-shard-copy.ts';
import { makeVersion } from '../../support/versions.ts';
import { WrappedShardCopy } from '../../support/wrapped-shard-copy.ts';

const entity = { group: 'g', name: 'n', id: 'a' };

describe('other replicas', () => {
  test('a write goes to all that hold the shard, a delete too', async () => {
    const [one, two] = [new MemoryShardCopy({ place: 'one' }), new MemoryShardCopy({ place: 'two' })];
    const made = await makeStore({ replicas: replicasOf(one, two) });
    await made.store.apply({ property: sent('a', { x: 1 }), strategy: 'merge' });
    await Promise.all([made.event('sent'), made.event('sent')]);
    expect(one.versions).toEqual(made.versions());
    await made.store.delete(entity);
    await made.store[Symbol.asyncDispose]();
    expect(one.versions).toEqual(made.versions());
    expect(two.versions).toEqual(one.versions);
    expect(one.versions[0]?.deleteTime).not.toBe(0n);
  });

  test('one that fails costs the writer nothing, is left alone for a while, and is tried again', async () => {
    let failing = true;
    const copy = new MemoryShardCopy({ place: 'one' });
    const flaky = new WrappedShardCopy(copy, {
      beforeOpenApply: () => {
        if (failing) throw new CodedError('unreachable', 'gone');
      },
    });
    const made = await makeStore({ replicas: replicasOf(flaky) });
    const write = (id: string) => made.store.apply({ property: sent(id, { x: 1 }), strategy: 'merge' });
    await write('a');
    expect(await made.event('dropped')).toMatchObject([
      'dropped',
      'one',
      1,
      'failed',
      { code: 'unreachable' },
    ]);
    await write('b');
    expect(await made.event('dropped')).toEqual(['dropped', 'one', 1, 'away', null]);
    failing = false;
    // Until it is asked again, as often as it takes.
    for (let at = 0; copy.versions.length === 0; at += 1) await write(`c${at}`);
    expect(made.events.filter(([name, , code]) => name === 'called' && code !== 'ok')).toEqual([]);
  });

  test('one that does not answer holds up neither writers nor the end', async () => {
    const silent = new WrappedShardCopy(new MemoryShardCopy({ place: 'one' }), {
      beforeOpenApply: () => new Promise(() => undefined),
    });
    const made = await makeStore({ replicas: replicasOf(silent) });
    for (const id of ['a', 'b', 'c'])
      await made.store.apply({ property: sent(id, { x: 1 }), strategy: 'merge' });
    expect(made.store.waiting).toBe(2);
    const startMs = performance.now();
    await made.store[Symbol.asyncDispose]();
    expect(performance.now() - startMs).toBeLessThan(5_000);
    expect(made.events.at(-1)).toMatchObject(['dropped', 'one', 3, 'stopped', {}]);
  });

  test.each(['fails', 'does not come'])(
    'what it took is told once, also where the end of its stream %s',
    async (end) => {
      const copy = new MemoryShardCopy({ place: 'one' });
      const { openApply } = copy;
      copy.openApply = async (options) =>
        Object.assign(await openApply.call(copy, options), {
          [Symbol.asyncDispose]: async () => {
            if (end === 'fails') throw new CodedError('unreachable', 'the stream broke');
            await new Promise(() => undefined);
          },
        });
      const made = await makeStore({ replicas: replicasOf(copy) });
      await made.store.apply({ property: sent('a', { x: 1 }), strategy: 'merge' });
      await made.event('sent');
      await made.store[Symbol.asyncDispose]();
      expect(copy.versions).toEqual(made.versions());
      expect(made.events.filter(([name]) => name === 'sent' || name === 'dropped')).toEqual([
        ['sent', 'one', 1],
      ]);
    },
  );

  test('many writes go in few batches, whatever the fuse of repairs says', async () => {
    const copy = new MemoryShardCopy({ place: 'one' });
    const made = await makeStore({ replicas: replicasOf(copy) });
    const all = async (value: number) =>
      await Promise.all(
        Array.from({ length: 300 }, (_, at) =>
          made.store.apply({ property: sent(`e${at}`, { x: value }), strategy: 'replace' }),
        ),
      );
    await all(1);
    await all(2);
    await made.store[Symbol.asyncDispose]();
    expect(copy.versions).toEqual(made.versions());
    expect(copy.calls.sessions).toBeLessThan(60);
    expect(made.events.some(([name]) => name === 'dropped')).toBe(false);
  });
});

describe('a shard that is not held here', () => {
  const held = [{ group: 'other', shards: null }];

  test('is written at who holds it, on what is there', async () => {
    const copy = new MemoryShardCopy({ place: 'one' });
    const gone = new WrappedShardCopy(new MemoryShardCopy({ place: 'gone' }), {
      beforeOpenApply: () => {
        throw new CodedError('unreachable', 'gone');
      },
    });
    const made = await makeStore({ held, replicas: replicasOf(gone, copy) });
    const { store } = made;
    const writes = [0, 1, 2].map((at) =>
      store.apply({ property: sent('a', { [`t${at}`]: at }), strategy: 'merge' }),
    );
    // Which of them comes first is nobody's promise.
    expect((await Promise.all(writes)).filter(({ created }) => created)).toHaveLength(1);
    expect(parseSource(copy.versions[0]?.source ?? '').tags).toHaveLength(3);
    expect(await store.delete(entity)).toBe(true);
    expect(copy.versions[0]?.deleteTime).not.toBe(0n);
    expect(await store.delete(entity)).toBe(false);
  });

  test('a write of somebody else meanwhile is seen, and the write decided anew', async () => {
    const copy = new MemoryShardCopy({ place: 'one' });
    const revision = 2n ** 62n;
    const raced = new WrappedShardCopy(copy, {
      beforeApply: (batch) => {
        if (batch === 0) copy.load([makeVersion({ id: 'a', revision, value: 'theirs' })]);
      },
    });
    const { store } = await makeStore({ held, replicas: replicasOf(raced) });
    const written = await store.apply({ property: sent('a', { x: 1 }), strategy: 'merge' });
    expect(written).toMatchObject({ created: false, tags: 2, revision: revision + 1n });
    expect(copy.versions[0]?.revision).toBe(revision + 1n);
  });

  test('who holds it and does not answer is not waited for at the end', async () => {
    const asked = Promise.withResolvers<void>();
    const silent = new MemoryShardCopy({ place: 'one' });
    silent.openApply = ({ signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
        asked.resolve();
      });
    const clock = new StandingClock();
    const { store } = await makeStore({ held, replicas: replicasOf(silent, silent), clock });
    const writing = store.apply({ property: sent('a', { x: 1 }), strategy: 'merge' });
    const refused = expect(writing).rejects.toMatchObject({ code: 'cancelled' });
    await asked.promise;
    const closed = store[Symbol.asyncDispose]();
    await clock.move(2_000);
    await closed;
    await refused;
  });

  test('what is sent on is not waited for either, where such a holder took all of the time', async () => {
    const silent = new MemoryShardCopy({ place: 'one' });
    const asked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let asking = 0;
    silent.openApply = ({ signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
        asked[asking++]?.resolve();
      });
    const clock = new StandingClock();
    const { store, events } = await makeStore({
      ...{ settings: { ...oneShard, shards: 2 }, held: [{ group: 'g', shards: [0] }] },
      ...{ replicas: replicasOf(silent), clock },
    });
    const idIn = (shard: number): string =>
      ['a', 'b', 'c', 'd', 'e', 'f'].find(
        (id) => shardOf(entityHash({ ...entity, id }), 2) === shard,
      ) as string;
    const write = (shard: number) =>
      store.apply({ property: sent(idIn(shard), { x: 1 }), strategy: 'merge' });
    await write(0);
    const refused = expect(write(1)).rejects.toMatchObject({ code: 'cancelled' });
    await Promise.all(asked.map(({ promise }) => promise));
    const closed = store[Symbol.asyncDispose]();
    await clock.move(2_000);
    await closed;
    await refused;
    expect(events).toContainEqual(['dropped', 'one', 1, 'stopped', expect.anything()]);
  });

  test('nobody who holds it: the writer hears of it', async () => {
    const { store } = await makeStore({ held });
    await expect(store.apply({ property: sent('a', { x: 1 }), strategy: 'merge' })).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('not held here'),
    });
  });
});
