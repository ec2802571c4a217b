/**
 * Every truncation and every single flipped bit of BanyanDB's smallest interesting tree. The file has no checksum;
 * what is asserted is that damage is a `damaged-file` error, except for the flips listed by name, which leave
 * another well-formed entity in its slot and so cannot be seen by any reader.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBanyandbTree } from '../../src/banyandb/tree-file-view.ts';
import { CodedError } from '../../src/lib/coded-error.ts';
import { readLeaves } from '../support/read-view.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallystick-'));
});
afterAll(() => rm(directory, { recursive: true }));

const vectorsPath = join(import.meta.dirname, '../golden/banyandb-repair-vectors.json');
const vectors = JSON.parse(await readFile(vectorsPath, 'utf8')) as {
  trees: { no_space: { file_hex: string } };
};
const tree = Buffer.from(vectors.trees.no_space.file_hex, 'hex');

/**
 * The flips that no reader can see: bits of entities, which no digest covers, that make another entity of the same
 * group, in order, which belongs into the same slot by some slot count above the greatest slot, 4: here by 8 or 16,
 * as three leaves do not yet tell that it is 32.
 */
const unseenFlips: Readonly<Record<string, string>> = {
  'bit 2 of byte 11': 'g/j/10 g/n/11 g/n/2',
  'bit 5 of byte 13': 'g/n/\u00110 g/n/11 g/n/2',
  'bit 2 of byte 158': 'g/n/10 g/n/51 g/n/2',
  'bit 6 of byte 158': 'g/n/10 g/n/q1 g/n/2',
  'bit 3 of byte 159': 'g/n/10 g/n/19 g/n/2',
  'bit 6 of byte 159': 'g/n/10 g/n/1q g/n/2',
  'bit 1 of byte 303': 'g/n/10 g/n/11 g/n/0',
  'bit 3 of byte 303': 'g/n/10 g/n/11 g/n/:',
};

/** The entities of the tree as read, or the error; whatever is no coded error is thrown on. */
async function outcome(bytes: Buffer): Promise<string[] | CodedError> {
  const path = join(directory, 'state-tree.data');
  await writeFile(path, bytes);
  try {
    await using view = await openBanyandbTree(path, { shard: 0 });
    return (await readLeaves(view)).map(({ entity }) => entity);
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
}

function expectDamage(found: string[] | CodedError, what: string): void {
  expect(found, what).toBeInstanceOf(CodedError);
  const { code, details } = found as CodedError;
  expect(code, what).toBe('damaged-file');
  expect(details, what).toMatchObject({
    path: join(directory, 'state-tree.data'),
    offset: expect.any(Number),
  });
}

describe('of the computed tree', () => {
  test('the whole file gives an answer', async () => {
    expect(await outcome(tree)).toEqual(['g/n/10', 'g/n/11', 'g/n/2']);
  });

  test('every truncation is damage', async () => {
    for (let length = 0; length < tree.length; length++) {
      expectDamage(await outcome(tree.subarray(0, length)), `cut to ${length} bytes`);
    }
  });

  test('every flipped bit is damage, but those that leave another entity in its slot', async () => {
    const unseen: Record<string, string> = {};
    for (let bit = 0; bit < tree.length * 8; bit++) {
      const bytes = Buffer.from(tree);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const found = await outcome(bytes);
      const what = `bit ${bit & 7} of byte ${bit >> 3}`;
      if (Array.isArray(found)) unseen[what] = found.join(' ');
      else expectDamage(found, what);
    }
    expect(unseen).toEqual(unseenFlips);
  });

  test('every byte set to 0 or 255 is damage', async () => {
    for (let offset = 0; offset < tree.length; offset++) {
      for (const value of [0x00, 0xff]) {
        if (tree[offset] === value) continue;
        const bytes = Buffer.from(tree);
        bytes[offset] = value;
        expectDamage(await outcome(bytes), `byte ${offset} set to ${value}`);
      }
    }
  });
});
