/** What a PLACE on the command line is: a data root, a tree file of ours, BanyanDB tree files, or HOST:PORT. */
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { openBanyandbTree, shardOfPath } from '../banyandb/tree-file-view.ts';
import { findTreeFiles } from '../banyandb/tree-folder.ts';
import { parseAddress } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { isDataRoot } from '../property-index/data-root.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import { matchMembers, type Narrowing } from '../round/match-members.ts';
import type { Member } from '../round/member.ts';
import { RootMember } from '../round/root-member.ts';
import { TreeFileMember } from '../round/tree-file-member.ts';
import { TreeFolderMember } from '../round/tree-folder-member.ts';
import type { ApplyThread } from '../shard-copy/apply-thread.ts';
import { openTreeFile } from '../shard-copy/tree-file-copy.ts';
import type { TreeBuilder } from '../tree/tree-builder.ts';
import type { OnDamage } from '../tree/tree-directory.ts';
import { headMagic } from '../tree/tree-format.ts';

export interface OpenOptions {
  readonly clock: Clock;
  readonly builder: TreeBuilder;
  /** For data roots that are written to. */
  readonly applyThread?: ApplyThread | undefined;
  /** `--shard`: what a BanyanDB tree file is of whose path does not tell. */
  readonly shard?: number | undefined;
  readonly onDamage?: OnDamage | undefined;
  /** Opens HOST:PORT. */
  readonly openAddress: (name: string) => Member;
}

/**
 * Throws `bad-argument` where two names are of one place, also by another way there: a place that is compared with
 * itself would be called equal.
 */
export async function checkDistinct(names: readonly string[]): Promise<void> {
  const ways = new Map<string, string>();
  for (const name of names) {
    const place = await realpath(name).catch(() => name);
    const before = ways.get(place);
    if (before !== undefined) {
      const both = before === name ? name : `${before} and ${name}`;
      throw new CodedError('bad-argument', `a place is named twice: ${both}`, {
        field: 'places',
        value: name,
      });
    }
    ways.set(place, name);
  }
}

/** Finds out what a place is. Throws `not-found`, `bad-argument`, `damaged-file`. */
export async function openPlace(name: string, options: OpenOptions): Promise<Member> {
  const found = await stat(name).catch(() => null);
  if (found === null) return openAddress(name, options);
  if (found.isDirectory()) return await openFolder(name, options);
  if (!found.isFile()) {
    throw new CodedError('bad-argument', `${name} is neither a directory nor a file`, { place: name });
  }
  if (await beginsAsTree(name)) {
    return new TreeFileMember({ path: name, openView: () => openTreeFile(name), tellsShard: true });
  }
  const told = options.shard ?? shardOfPath(name);
  // Where nothing tells the shard, it is the only one that the other places offer.
  const openView = (shard = told ?? 0) => openBanyandbTree(name, { shard });
  return new TreeFileMember({ path: name, openView, tellsShard: told !== null });
}

/** BanyanDB tree files below a folder that was copied off a node; none where it is a data root of ours. */
export async function treesOfFolder(folder: string): Promise<string[]> {
  // A node keeps a folder "data" too, and beside it its trees.
  const isOurs = (await isDataRoot(folder)) && !(await readdir(folder)).includes('repairs');
  return isOurs ? [] : await findTreeFiles(folder);
}

async function openFolder(name: string, options: OpenOptions): Promise<Member> {
  const trees = await treesOfFolder(name);
  if (trees.length > 0) return new TreeFolderMember(name, trees);
  if (await isDataRoot(name)) return new RootMember({ ...options, root: name });
  const message = `${name} is no data root, which holds data or trees, and holds no tree files of BanyanDB`;
  throw new CodedError('bad-argument', message, { place: name });
}

function openAddress(name: string, options: OpenOptions): Member {
  if (typeof parseAddress(name) === 'string') {
    throw new CodedError(
      'not-found',
      `there is no ${name}: a place is a directory, a tree file or HOST:PORT`,
      { place: name },
    );
  }
  return options.openAddress(name);
}

/** The copies of every shard that is meant, over all places; each place must answer. */
export async function matchPlaces(
  places: readonly Member[],
  narrowing: Narrowing,
  signal?: AbortSignal,
): Promise<ShardCopies[]> {
  const asked = await Promise.all(
    places.map(async (member) => ({ member, offer: await member.offer(signal) })),
  );
  return matchMembers(asked, narrowing);
}

/** As {@link matchPlaces}, for what is compared: shards that only one place offers are left out, and there must be others. */
export async function matchComparable(
  places: readonly Member[],
  narrowing: Narrowing,
  signal?: AbortSignal,
): Promise<ShardCopies[]> {
  const targets = await matchPlaces(places, narrowing, signal);
  const comparable = targets.filter(({ copies }) => copies.length > 1);
  if (comparable.length > 0) return comparable;
  const names = places.map(({ place }) => place).join(', ');
  throw new CodedError('bad-argument', `these places have no group and shard in common: ${names}`, {
    field: 'places',
  });
}

async function beginsAsTree(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const head = Buffer.alloc(headMagic.length);
    await handle.read(head, 0, head.length, 0);
    return head.equals(headMagic);
  } finally {
    await handle.close();
  }
}
