/**
 * The tree of some versions computed in the plainest way, apart from the code under test: sort the tuples,
 * place by XXH64, hash the hex texts, as BanyanDB composes them.
 */
import { createHash } from 'node:crypto';
import { xxh64 } from '../../src/lib/xxhash.ts';
import { parseEntityKey } from '../../src/property/entity.ts';
import type { StoredVersion } from '../../src/property/version.ts';
import type { TreeReader } from '../../src/tree/tree-reader.ts';

export interface PlainLeaf {
  readonly key: string;
  readonly revision: bigint;
  readonly deleteTime: bigint;
  readonly digest: string;
}

export interface PlainSlot {
  readonly slot: number;
  readonly digest: string;
  readonly leaves: readonly PlainLeaf[];
}

export interface PlainTree {
  readonly root: string;
  readonly slots: readonly PlainSlot[];
}

const sha512Hex = (text: string) => createHash('sha512').update(text).digest('hex');

/** `versions` holds one version of each entity, in any order. */
export function naiveTree(versions: readonly StoredVersion[], group: string, slots: number): PlainTree {
  const placed = versions.map((version) => {
    const { name, id } = parseEntityKey(group, version.key);
    const slot = Number(xxh64(`${group}/${name}/${id}`) % BigInt(slots));
    return { version, slot, name: Buffer.from(name), id: Buffer.from(id) };
  });
  placed.sort((a, b) => Buffer.compare(a.name, b.name) || Buffer.compare(a.id, b.id));
  const leavesOf = new Map<number, PlainLeaf[]>();
  for (const { version, slot } of placed) {
    const leaves = leavesOf.get(slot) ?? [];
    leavesOf.set(slot, leaves);
    leaves.push(plainLeaf(version));
  }
  const found = [...leavesOf.entries()]
    .sort(([a], [b]) => a - b)
    .map(([slot, leaves]) => ({ slot, digest: composeHex(leaves), leaves }));
  return { root: composeHex(found), slots: found };
}

function composeHex(parts: readonly { readonly digest: string }[]): string {
  return parts.length === 0 ? '' : sha512Hex(parts.map(({ digest }) => digest).join(''));
}

/** The root of slots, computed from their leaves. */
export function naiveRootOf(slots: readonly PlainSlot[]): string {
  return composeHex(slots.map(({ leaves }) => ({ digest: composeHex(leaves) })));
}

function plainLeaf(leaf: Omit<StoredVersion, 'source'>): PlainLeaf {
  const { key, revision, deleteTime, digest } = leaf;
  return { key: key.toString('hex'), revision, deleteTime, digest: digest.toString('hex') };
}

/** Everything in a tree file. */
export async function readTree(reader: TreeReader): Promise<PlainTree> {
  const slots: PlainSlot[] = [];
  for (const record of await reader.slots()) {
    const leaves: PlainLeaf[] = [];
    for await (const page of reader.leavesOf(record)) leaves.push(...page.map(plainLeaf));
    slots.push({ slot: record.slot, digest: record.digest.toString('hex'), leaves });
  }
  return { root: reader.root.root.toString('hex'), slots };
}
