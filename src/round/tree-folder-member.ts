/** BanyanDB tree files of one folder, copied off a node, as a member: a shard each; they can be compared and nothing else. */
import { groupOfPath } from '../banyandb/tree-folder.ts';
import { openBanyandbTree, shardOfPath } from '../banyandb/tree-file-view.ts';
import { CodedError } from '../lib/coded-error.ts';
import { TreeFileCopy } from '../shard-copy/tree-file-copy.ts';
import type { Member, Offer, OfferedGroup } from './member.ts';

interface FolderTree {
  readonly path: string;
  readonly group: string;
  readonly shard: number;
}

export class TreeFolderMember implements Member {
  readonly place: string;
  readonly name = null;
  readonly kind = 'tree-file';
  readonly #paths: readonly string[];
  #trees: readonly FolderTree[] = [];

  /** `paths` are the tree files in `folder`. */
  constructor(folder: string, paths: readonly string[]) {
    this.place = folder;
    this.#paths = paths;
  }

  async offer(): Promise<Offer> {
    const trees: FolderTree[] = [];
    for (const path of this.#paths) {
      const tree = await this.#recognise(path);
      const twin = trees.find(({ group, shard }) => group === tree.group && shard === tree.shard);
      if (twin !== undefined) {
        const message = `${twin.path} and ${path} are both of group ${tree.group}, shard ${tree.shard}; name one`;
        throw new CodedError('bad-argument', message, { place: this.place });
      }
      trees.push(tree);
    }
    this.#trees = trees;
    const groups = [...Map.groupBy(trees, ({ group }) => group)].map(([group, held]): OfferedGroup => {
      const offered = held.map(({ shard }) => shard).sort((a, b) => a - b);
      return { group, shards: null, offered };
    });
    // They are of their own shards only; of others they say nothing.
    return { groups, tree: () => null, holds: () => false };
  }

  copy(group: string, shard: number): TreeFileCopy {
    const tree = this.#trees.find((one) => one.group === group && one.shard === shard);
    if (tree === undefined) {
      const message = `${this.place} has no tree of group ${group}, shard ${shard}`;
      throw new CodedError('not-found', message, { place: this.place, group, shard });
    }
    const openView = () => openBanyandbTree(tree.path, { shard });
    return new TreeFileCopy({ place: this.place, group, shard, openView });
  }

  async build(): Promise<void> {}

  async #recognise(path: string): Promise<FolderTree> {
    const shard = shardOfPath(path);
    if (shard === null) {
      const message = `nothing in the path ${path} tells the shard; name the file, with --shard`;
      throw new CodedError('bad-argument', message, { field: 'shard', value: null, path });
    }
    try {
      await using view = await openBanyandbTree(path, { shard });
      return { path, group: view.description.group, shard };
    } catch (error) {
      // One that cannot be read is told where its shard is compared, and does not hide the others.
      const group = groupOfPath(path);
      if (!(error instanceof CodedError) || group === null) throw error;
      return { path, group, shard };
    }
  }
}
