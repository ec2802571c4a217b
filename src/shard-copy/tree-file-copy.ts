/** A single tree file as a shard copy: it can be compared, and neither read for values nor written. */
import { CodedError } from '../lib/coded-error.ts';
import { TreeReader } from '../tree/tree-reader.ts';
import type { ApplySession, Fetched, ShardCopy, ShardView, ViewOptions } from './shard-copy.ts';
import { TreeView } from './tree-view.ts';

export interface TreeFileOptions {
  readonly place: string;
  readonly group: string;
  readonly shard: number;
  readonly openView: () => Promise<ShardView>;
}

export class TreeFileCopy implements ShardCopy {
  readonly place: string;
  readonly group: string;
  readonly shard: number;
  readonly #open: () => Promise<ShardView>;

  constructor(options: TreeFileOptions) {
    this.place = options.place;
    this.group = options.group;
    this.shard = options.shard;
    this.#open = options.openView;
  }

  async openView({ spelling }: ViewOptions = {}): Promise<ShardView> {
    const view = await this.#open();
    const own = view.description.spelling;
    if (spelling === undefined || spelling === own) return view;
    await view[Symbol.asyncDispose]();
    throw new CodedError(
      'spelling-differs',
      `${this.place} is a tree file${own === null ? '' : ` of ${own} JSON`}; its leaves cannot be spelled ${spelling}`,
      { place: this.place, spelling: own, wanted: spelling },
    );
  }

  // biome-ignore lint/correctness/useYield: a tree file holds no values, so there is nothing to give.
  async *fetch(): AsyncGenerator<readonly Fetched[]> {
    throw this.#readOnly();
  }

  async openApply(): Promise<ApplySession> {
    throw this.#readOnly();
  }

  #readOnly(): CodedError {
    return new CodedError(
      'read-only',
      `${this.place} is a tree file: it holds no values and cannot be written`,
      {
        place: this.place,
      },
    );
  }
}

/** A tree file of ours as a view. */
export async function openTreeFile(path: string): Promise<TreeView> {
  return new TreeView(await TreeReader.open(path), false);
}
