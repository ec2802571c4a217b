/** Leaves that lie where placement does not put them are named, with who has them; the rest passes. */
import { describe, expect, test } from 'vitest';
import { checkAlike } from '../../../src/diff/check-alike.ts';
import { PlacementCheck } from '../../../src/diff/check-placement.ts';
import type { Difference } from '../../../src/diff/diff-leaves.ts';
import type { PlacedView } from '../../../src/diff/diff-slots.ts';
import { entityKey } from '../../../src/property/entity.ts';
import { entityHash, shardOf, slotOf } from '../../../src/property/placement.ts';
import type { Leaf, ViewDescription } from '../../../src/shard-copy/shard-copy.ts';

const leaf: Leaf = { key: Buffer.from('x'), digest: Buffer.alloc(64), revision: 1n, deleteTime: 0n };
const scheme = (slots: number, seed = 0n) => ({ hash: 'xxh64' as const, seed, slots });

function viewOf(place: string, description: Partial<ViewDescription> = {}): PlacedView {
  const whole = {
    group: 'g',
    shard: 0,
    shards: 2,
    slotScheme: scheme(8),
    spelling: 'compact',
    ...description,
  };
  return { place, view: { description: whole } } as unknown as PlacedView;
}

const entities = Array.from({ length: 60 }, (_, id) => ({ group: 'g', name: 'n', id: String(id) }));
const inShard = entities.filter((entity) => shardOf(entityHash(entity), 2) === 0);
const [first, second] = [inShard[0]!, inShard[1]!];

/** A difference at a slot, in the first or the second copy. */
function at(entity: typeof first, slot: number, copies: readonly (Leaf | null)[] = [leaf, null]): Difference {
  return { key: entityKey(entity), slot, leaves: copies } as unknown as Difference;
}

function checkOf(...views: PlacedView[]): PlacementCheck {
  return new PlacementCheck(views, checkAlike(views));
}

const slotIn = (entity: typeof first, slots: number): number => slotOf(entityHash(entity), slots);

describe('where the slot scheme is told', () => {
  test('every leaf in its own slot passes', () => {
    const check = checkOf(viewOf('a'), viewOf('b'));
    for (const entity of inShard) check.check(at(entity, slotIn(entity, 8)));
  });

  test.each<[string, readonly (Leaf | null)[], string]>([
    ['the first copy', [leaf, null], 'a'],
    ['the second copy', [null, leaf], 'b'],
    ['both', [leaf, leaf], 'a'],
  ])('one in another slot, at %s, is that of who has it', (_, copies, place) => {
    const check = checkOf(viewOf('a'), viewOf('b'));
    const wrong = (slotIn(first, 8) + 1) % 8;
    expect(() => check.check(at(first, wrong, copies))).toThrow(
      expect.objectContaining({ code: 'bad-message', details: { place, entity: `g/n/${first.id}` } }),
    );
  });

  test('by a copy that tells none, the other scheme is its own', () => {
    const check = checkOf(viewOf('a'), viewOf('b', { slotScheme: null }));
    const wrong = (slotIn(first, 8) + 1) % 8;
    expect(() => check.check(at(first, wrong, [leaf, leaf]))).toThrow(
      expect.objectContaining({
        code: 'settings-differ',
        details: { place: 'b', entity: `g/n/${first.id}` },
      }),
    );
    expect(() => check.check(at(first, wrong, [leaf, null]))).toThrow(
      expect.objectContaining({ code: 'bad-message', details: { place: 'a', entity: `g/n/${first.id}` } }),
    );
  });

  test('with a seed that is not ours nothing is held against a slot', () => {
    const seeded = { slotScheme: scheme(8, 7n) };
    checkOf(viewOf('a', seeded), viewOf('b', seeded)).check(at(first, (slotIn(first, 8) + 1) % 8));
  });
});

test('one of another shard is told, where the shard count is', () => {
  const other = entities.find((entity) => shardOf(entityHash(entity), 2) === 1)!;
  const slot = slotIn(other, 8);
  expect(() => checkOf(viewOf('a'), viewOf('b')).check(at(other, slot, [null, leaf]))).toThrow(
    expect.objectContaining({
      code: 'bad-message',
      details: { place: 'b', entity: `g/n/${other.id}`, shard: 0 },
    }),
  );
  checkOf(viewOf('a', { shards: null }), viewOf('b', { shards: null })).check(at(other, slot));
});

test.each([
  ['a name without an id', 'n'],
  ['an escape that is none', 'n\u0001x\u0000a'],
])('a key that is %s is none', (_, text) => {
  const check = checkOf(viewOf('a'), viewOf('b'));
  const key = Buffer.from(text, 'latin1');
  expect(() => check.check({ ...at(first, 0, [null, leaf]), key })).toThrow(
    expect.objectContaining({ code: 'bad-message' }),
  );
});

test('a key that another key would be written as is refused with who sent it', () => {
  const check = checkOf(viewOf('a'), viewOf('b'));
  const key = Buffer.from([0x6e, 0x01, 0x78, 0x00, 0x61]);
  expect(() => check.check({ ...at(first, 0, [null, leaf]), key })).toThrow(
    expect.objectContaining({ code: 'bad-message', details: { place: 'b', key: '6e01780061' } }),
  );
});

describe('where no slot scheme is told', () => {
  const untold = { slotScheme: null };

  test('leaves spread over one number of slots pass', () => {
    for (const slots of [1, 2, 8, 32]) {
      const check = checkOf(viewOf('a', untold), viewOf('b', untold));
      for (const entity of inShard) check.check(at(entity, slotIn(entity, slots)));
    }
  });

  test('leaves spread over two numbers of slots show it', () => {
    const check = checkOf(viewOf('a', untold), viewOf('b', untold));
    const spread = (): void => {
      for (const [number, entity] of inShard.entries())
        check.check(at(entity, slotIn(entity, number % 2 === 0 ? 8 : 32)));
    };
    expect(spread).toThrow(
      expect.objectContaining({
        code: 'settings-differ',
        details: { field: 'slot scheme', places: ['a', 'b'] },
      }),
    );
  });

  test('a slot number that the common number of slots does not have shows it', () => {
    const check = checkOf(viewOf('a', untold), viewOf('b', untold));
    const spread = (): void => {
      for (const entity of inShard) check.check(at(entity, slotIn(entity, 7) || 7));
    };
    expect(spread).toThrow(expect.objectContaining({ code: 'settings-differ' }));
  });

  test('one leaf in a slot that its hash allows says nothing yet', () => {
    const check = checkOf(viewOf('a', untold), viewOf('b', untold));
    check.check(at(first, 0));
    check.check(at(second, 0));
  });
});

test('unlike traits are told with both places and values, and what is not told is like the others', () => {
  const like = checkAlike([viewOf('a', { slotScheme: null, shards: null }), viewOf('b')]);
  expect(like).toEqual({ group: 'g', shard: 0, shards: 2, slotScheme: scheme(8) });
  expect(checkAlike([viewOf('a', { slotScheme: null }), viewOf('b', { slotScheme: null })]).slotScheme).toBe(
    null,
  );
  expect(checkAlike([viewOf('a', { shard: 1 }), viewOf('b', { shard: 1 })]).shard).toBe(1);
  const unlike = (change: Partial<ViewDescription>) => () => checkAlike([viewOf('a'), viewOf('b', change)]);
  const details = (field: string, ...values: unknown[]) =>
    expect.objectContaining({ details: { field, places: ['a', 'b'], values } });
  expect(unlike({ group: 'h' })).toThrow(details('group', 'g', 'h'));
  expect(unlike({ shard: 1 })).toThrow(details('shard', 0, 1));
  expect(unlike({ shards: 3 })).toThrow(details('shard count', 2, 3));
  expect(unlike({ slotScheme: scheme(9) })).toThrow(
    expect.objectContaining({
      code: 'settings-differ',
      details: expect.objectContaining({ field: 'slot scheme' }),
    }),
  );
  expect(unlike({ spelling: 'spaced' })).toThrow(
    expect.objectContaining({
      code: 'spelling-differs',
      details: expect.objectContaining({ field: 'spelling' }),
    }),
  );
});
