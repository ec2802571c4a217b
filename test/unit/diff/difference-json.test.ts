/** A difference as scripts read it. */
import { describe, expect, test } from 'vitest';
import { differenceJson, stateOf, toldVersion } from '../../../src/diff/difference-json.ts';
import { entityKey } from '../../../src/property/entity.ts';
import type { Leaf } from '../../../src/shard-copy/shard-copy.ts';

const key = entityKey({ name: 'n', id: 'a/b' });
const leaf = (revision: bigint | null, deleteTime: bigint | null = 0n, fill = 1): Leaf => ({
  key,
  digest: Buffer.alloc(64, fill),
  revision,
  deleteTime,
});
const nothing = { revision: null, deleteTime: null, digest: null };
const hex = (fill: number) => fill.toString(16).padStart(2, '0').repeat(64);

test('who has what and who wins', () => {
  const leaves = [leaf(2n ** 62n), null, leaf(2n ** 62n, 7n, 255)];
  const shown = differenceJson({ group: 'g', shard: 3 }, ['A', 'B', 'C'], { key, slot: 0, leaves });
  expect(shown).toEqual({
    group: 'g',
    shard: 3,
    entity: 'g/n/a/b',
    copies: [
      { place: 'A', state: 'live', revision: '4611686018427387904', deleteTime: '0', digest: hex(1) },
      { place: 'B', state: 'absent', ...nothing },
      { place: 'C', state: 'deleted', revision: '4611686018427387904', deleteTime: '7', digest: hex(255) },
    ],
    winner: { revision: '4611686018427387904', deleteTime: '7', digest: hex(255) },
  });
});

describe('where leaves do not tell their versions', () => {
  const winnerOf = (...leaves: (Leaf | null)[]) =>
    differenceJson({ group: 'g', shard: 0 }, ['A', 'B'], { key, slot: 0, leaves }).winner;

  test('there is no winner', () => {
    expect(winnerOf(leaf(null, null), leaf(5n, 0n, 2))).toBe(null);
    expect(winnerOf(leaf(null, null), null)).toBe(null);
    expect(winnerOf(leaf(5n), null)).toEqual(toldVersion(leaf(5n)));
  });

  test('what is known is told', () => {
    expect(toldVersion(null)).toEqual(nothing);
    expect(toldVersion(leaf(null, 4n))).toEqual({ revision: null, deleteTime: '4', digest: hex(1) });
    expect(toldVersion(leaf(4n, null))).toEqual({ revision: '4', deleteTime: null, digest: hex(1) });
    expect([null, leaf(1n, null), leaf(1n, 0n), leaf(1n, 2n)].map(stateOf)).toEqual([
      'absent',
      'unknown',
      'live',
      'deleted',
    ]);
  });
});
