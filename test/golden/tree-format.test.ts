/** The worked example of src/tree/FORMAT.md: read out of the document, decoded, and made again byte for byte. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { entityKey } from '../../src/property/entity.ts';
import { entityHash } from '../../src/property/placement.ts';
import type { StoredVersion } from '../../src/property/version.ts';
import { TreeReader } from '../../src/tree/tree-reader.ts';
import { type MadeLeaf, madeHeader, makeTree } from '../support/made-tree.ts';
import { naiveTree, readTree } from '../support/naive-tree.ts';
import { makeVersion } from '../support/versions.ts';

const formatPath = join(import.meta.dirname, '../../src/tree/FORMAT.md');

let directory = '';
let example: Buffer = Buffer.alloc(0);
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallystick-'));
  example = readExample(await readFile(formatPath, 'utf8'));
  await writeFile(join(directory, 'example.tree'), example);
});
afterAll(() => rm(directory, { recursive: true }));

/** The bytes of the ```hex block: lines of offset, bytes and a comment behind a semicolon. */
function readExample(text: string): Buffer {
  const block = /^```hex\n(.*?)^```$/ms.exec(text)?.[1];
  if (block === undefined) throw new Error('FORMAT.md has no hex block');
  const parts: Buffer[] = [];
  let offset = 0;
  for (const line of block.trimEnd().split('\n')) {
    const match = /^([0-9a-f]{4}) {2}((?:[0-9a-f]{2} ?)*?)(?: *;.*)?$/.exec(line);
    if (match === null) throw new Error(`not a line of the example: ${line}`);
    if (Number.parseInt(match[1]!, 16) !== offset)
      throw new Error(`the offset is ${offset.toString(16)}: ${line}`);
    const bytes = Buffer.from(match[2]!.replaceAll(' ', ''), 'hex');
    offset += bytes.length;
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

const versions: readonly StoredVersion[] = [
  makeVersion({ id: '1', revision: 101n, value: 'a' }),
  makeVersion({ id: '3', revision: 102n, value: 'b' }),
  makeVersion({ id: '4', revision: 103n, value: 'c', deleteTime: 104n }),
];

function madeLeaf(version: StoredVersion, id: string): MadeLeaf {
  return { ...version, placement: Number(entityHash({ group: 'g', name: 'n', id }) & 0xffffn) };
}

describe('the worked example of FORMAT.md', () => {
  test('is decoded', async () => {
    await using reader = await TreeReader.open(join(directory, 'example.tree'));
    expect(reader.header).toEqual(madeHeader);
    expect(reader.root).toMatchObject({ leaves: 3, liveLeaves: 2, slots: 2 });
    const tree = await readTree(reader);
    expect(tree).toEqual(naiveTree(versions, 'g', 4));
    const keys = (ids: string[]) => ids.map((id) => entityKey({ name: 'n', id }).toString('hex'));
    expect(tree.slots.map(({ slot }) => slot)).toEqual([1, 3]);
    expect(tree.slots.map(({ leaves }) => leaves.map(({ key }) => key))).toEqual([
      keys(['1']),
      keys(['3', '4']),
    ]);
    expect(tree.slots[1]?.leaves.map(({ deleteTime }) => deleteTime)).toEqual([0n, 104n]);
  });

  test('is made again byte for byte', async () => {
    const path = join(directory, 'again.tree');
    await makeTree(path, [
      madeLeaf(versions[0]!, '1'),
      madeLeaf(versions[1]!, '3'),
      madeLeaf(versions[2]!, '4'),
    ]);
    expect((await readFile(path)).toString('hex')).toBe(example.toString('hex'));
  });
});
