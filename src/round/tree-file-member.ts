/** A single tree file, ours or BanyanDB's, as a member: it can be compared and nothing else. */
import type { ShardView } from '../shard-copy/shard-copy.ts';
import { TreeFileCopy } from '../shard-copy/tree-file-copy.ts';
import type { Member, Offer } from './member.ts';

export interface TreeFileMemberOptions {
  readonly path: string;
  /** Opens the file, as of the given shard where it does not tell itself. */
  readonly openView: (shard?: number) => Promise<ShardView>;
  /** The file or its path says which shard it is of. */
  readonly tellsShard: boolean;
}

export class TreeFileMember implements Member {
  readonly place: string;
  readonly name = null;
  readonly kind = 'tree-file';
  readonly #options: TreeFileMemberOptions;

  constructor(options: TreeFileMemberOptions) {
    this.place = options.path;
    this.#options = options;
  }

  async offer(): Promise<Offer> {
    await using view = await this.#options.openView();
    const { description } = view;
    const { group, shard, shards } = description;
    return {
      tree: (...asked) =>
        this.#options.tellsShard && asked[0] === group && asked[1] === shard ? description : null,
      groups: [{ group, shards, offered: this.#options.tellsShard ? [shard] : null }],
      // It is of its own shard only; of others it says nothing.
      holds: () => false,
    };
  }

  copy(group: string, shard: number): TreeFileCopy {
    return new TreeFileCopy({
      place: this.place,
      group,
      shard,
      openView: () => this.#options.openView(shard),
    });
  }

  async build(): Promise<void> {}
}
