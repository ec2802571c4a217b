/**
 * What a PLACE on the command line is (a data root, a tree file of ours, a BanyanDB tree file), which groups
 * and shards it offers, and how the shards of several places are matched.
 */
import { open, stat } from 'node:fs/promises';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { openBanyandbTree, shardOfPath } from '../banyandb/tree-file-view.ts';
import { isDataRoot, listGroups, readGroupSettings } from '../property-index/data-root.ts';
import { LocalShardCopy } from '../shard-copy/local-shard-copy.ts';
import type { ShardCopy, ShardView } from '../shard-copy/shard-copy.ts';
import { openTreeFile, TreeFileCopy } from '../shard-copy/tree-file-copy.ts';
import type { OnDamage } from '../tree/tree-directory.ts';
import { headMagic } from '../tree/tree-format.ts';

/** A group as one place offers it. */
export interface OfferedGroup {
  readonly group: string;
  /** Shard count; null where the place cannot know. */
  readonly shards: number | null;
  /** Shards that can be asked for here; null for the one whose number the place does not tell. */
  readonly offered: readonly number[] | null;
}

export interface Place {
  readonly name: string;
  readonly kind: 'root' | 'tree-file';
  groups(): Promise<readonly OfferedGroup[]>;
  copy(group: string, shard: number): ShardCopy;
}

export interface PlaceOptions {
  readonly clock: Clock;
  /** `--shard`: what an unnamed BanyanDB tree file is of. */
  readonly shard?: number | undefined;
  readonly onDamage?: OnDamage | undefined;
}

/** Finds out what a place is. Throws `not-found`, `bad-argument`, `damaged-file`. */
export async function openPlace(name: string, options: PlaceOptions): Promise<Place> {
  const found = await stat(name).catch((error: unknown) => {
    throw new CodedError('not-found', `there is no ${name}: a place is a directory or a tree file`, { place: name }, { cause: error });
  });
  if (found.isDirectory()) {
    if (await isDataRoot(name)) return rootPlace(name, options);
    throw new CodedError('bad-argument', `${name} is no data root: it holds neither data nor trees`, { place: name });
  }
  if (!found.isFile()) throw new CodedError('bad-argument', `${name} is neither a directory nor a file`, { place: name });
  return (await beginsAsTree(name)) ? filePlace(name, () => openTreeFile(name)) : banyandbPlace(name, options);
}

function rootPlace(root: string, { clock, onDamage }: PlaceOptions): Place {
  return {
    name: root,
    kind: 'root',
    groups: async () => {
      const groups: OfferedGroup[] = [];
      for (const group of await listGroups(root)) {
        const settings = await readGroupSettings(root, group);
        if (settings === null) continue;
        const { shards } = settings;
        groups.push({ group, shards, offered: Array.from({ length: shards }, (_, shard) => shard) });
      }
      return groups;
    },
    copy: (group, shard) => new LocalShardCopy({ root, group, shard, clock, onDamage }),
  };
}

function filePlace(name: string, openView: (shard?: number) => Promise<ShardView>, tellsShard = true): Place {
  return {
    name,
    kind: 'tree-file',
    groups: async () => {
      await using view = await openView();
      const { group, shard, shards } = view.description;
      return [{ group, shards, offered: tellsShard ? [shard] : null }];
    },
    copy: (group, shard) => new TreeFileCopy({ place: name, group, shard, openView: () => openView(shard) }),
  };
}

function banyandbPlace(name: string, options: PlaceOptions): Place {
  const shard = options.shard ?? shardOfPath(name);
  // Where nothing tells the shard, it is the only one that the other places offer.
  const openView = (asked = shard ?? 0) => openBanyandbTree(name, { shard: asked });
  return filePlace(name, openView, shard !== null);
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
