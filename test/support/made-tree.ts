/** Makes tree files of given leaves without a property index. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packVersion, type Version } from '../../src/property/version.ts';
import { SlotFiles } from '../../src/tree/slot-files.ts';
import type { TreeHeader } from '../../src/tree/tree-header.ts';
import { composeTree } from '../../src/tree/tree-writer.ts';

/** A leaf with the low 16 bits of its entity's hash. */
export interface MadeLeaf extends Version {
  readonly placement: number;
  readonly key: Buffer;
}

/** A leaf as a snapshot packs it. */
export function packLeaf(leaf: MadeLeaf): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(leaf.placement, 0);
  head.writeUInt16BE(leaf.key.length, 2);
  return Buffer.concat([head, leaf.key, packVersion(leaf)]);
}

export const madeHeader: TreeHeader = {
  group: 'g',
  shard: 0,
  shards: 1,
  slots: 4,
  spelling: 'compact',
  generation: 7n,
  watermark: { sequence: 42n, token: '0011223344556677' },
  builtAtMs: 1_700_000_000_000,
};

/** Composes a tree file at `path`; leaves come in key order, in pages of `pageLeaves`. */
export async function makeTree(
  path: string,
  leaves: readonly MadeLeaf[],
  header: Partial<TreeHeader> = {},
  pageLeaves = 100,
): Promise<void> {
  const whole = { ...madeHeader, ...header };
  const scratch = await mkdtemp(join(tmpdir(), 'tallystick-slots-'));
  const slotFiles = new SlotFiles(scratch, whole.slots);
  try {
    for (let first = 0; first < leaves.length; first += pageLeaves) {
      slotFiles.add(Buffer.concat(leaves.slice(first, first + pageLeaves).map(packLeaf)));
    }
    const liveLeaves = leaves.filter(({ deleteTime }) => deleteTime === 0n).length;
    await composeTree({ path, header: whole, slotFiles, leaves: leaves.length, liveLeaves });
  } finally {
    slotFiles.close();
    await rm(scratch, { recursive: true });
  }
}
