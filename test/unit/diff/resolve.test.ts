import { expect, test } from 'vitest';
import { resolve, tellsVersion } from '../../../src/diff/resolve.ts';
import type { Leaf } from '../../../src/shard-copy/shard-copy.ts';

const key = Buffer.from('n\u0000a');
function leaf(revision: bigint | null, deleteTime: bigint | null = 0n, fill = 1): Leaf {
  return { key, digest: Buffer.alloc(64, fill), revision, deleteTime: revision === null ? null : deleteTime };
}

test('the greatest (revision, delete time, digest) wins, wherever it stands', () => {
  const ascending = [
    leaf(1n, 9n, 9),
    leaf(2n, 0n, 1),
    leaf(2n, 0n, 2),
    leaf(2n, 5n, 1),
    leaf(2n, 6n, 1),
    leaf(3n, 0n, 0),
  ];
  for (const [at, loser] of ascending.entries()) {
    for (const [above, winner] of ascending.entries()) {
      if (above <= at) continue;
      expect(resolve([loser, winner])).toEqual({ winners: [1], version: winner });
      expect(resolve([winner, null, loser, winner])).toEqual({ winners: [0, 3], version: winner });
    }
  }
});

test('without versions it is undecided unless all digests agree', () => {
  expect(resolve([leaf(null), leaf(5n, 0n, 2)])).toBeNull();
  expect(resolve([leaf(5n, 0n, 2), null, leaf(null)])).toBeNull();
  expect(resolve([leaf(null), null, leaf(null)])).toEqual({ winners: [0, 2], version: leaf(null) });
  expect(resolve([leaf(5n), leaf(null)])).toEqual({ winners: [0, 1], version: leaf(5n) });
  expect(resolve([leaf(null), leaf(5n), null])).toEqual({ winners: [0, 1], version: leaf(5n) });
});

test('a leaf that tells its revision alone does not tell its version', () => {
  expect(tellsVersion({ ...leaf(5n), deleteTime: null })).toBe(false);
  expect(tellsVersion({ ...leaf(5n), revision: null })).toBe(false);
  expect(tellsVersion(leaf(5n))).toBe(true);
});
