/** A shard copy whose calls a test can hold, fail, cut or damage; everything else passes through. */
import type {
  ApplyOptions,
  ApplyResult,
  ApplySession,
  Fetched,
  LeafPage,
  ShardCopy,
  ShardView,
  StoredVersion,
  ViewOptions,
} from '../../src/shard-copy/shard-copy.ts';

export interface Wrapping {
  /** Awaited before each call; a promise that the test resolves holds the copy, a throw fails the call. */
  readonly beforeOpenView?: () => void | Promise<void>;
  readonly beforeLeafPage?: (page: number) => void | Promise<void>;
  readonly beforeFetch?: (call: number) => void | Promise<void>;
  /** Before each answer of a fetch, counted over all fetches from 0. */
  readonly beforeFetched?: (answer: number) => void | Promise<void>;
  readonly beforeOpenApply?: () => void | Promise<void>;
  /** Before each batch, from 0. */
  readonly beforeApply?: (batch: number) => void | Promise<void>;
  /** After a batch was applied, before its results are given: what is thrown here loses them. */
  readonly afterApply?: (batch: number) => void | Promise<void>;
  readonly damageLeaves?: (page: LeafPage) => LeafPage;
  readonly damageFetched?: (fetched: Fetched) => Fetched;
  readonly damageVersion?: (version: StoredVersion) => StoredVersion;
}

export class WrappedShardCopy implements ShardCopy {
  readonly place: string;
  readonly group: string;
  readonly shard: number;
  /** Every batch that reached the copy. */
  readonly batches: (readonly StoredVersion[])[] = [];
  readonly #copy: ShardCopy;
  readonly #wrapping: Wrapping;
  #fetches = 0;
  #answers = 0;

  constructor(copy: ShardCopy, wrapping: Wrapping) {
    this.place = copy.place;
    this.group = copy.group;
    this.shard = copy.shard;
    this.#copy = copy;
    this.#wrapping = wrapping;
  }

  async openView(options?: ViewOptions): Promise<ShardView> {
    await this.#wrapping.beforeOpenView?.();
    const view = await this.#copy.openView(options);
    const { beforeLeafPage, damageLeaves = (page) => page } = this.#wrapping;
    return {
      description: view.description,
      slots: (signal) => view.slots(signal),
      leaves: async function* (slots, signal) {
        let pages = 0;
        for await (const page of view.leaves(slots, signal)) {
          await beforeLeafPage?.(pages++);
          yield damageLeaves(page);
        }
      },
      [Symbol.asyncDispose]: async () => await view[Symbol.asyncDispose](),
    };
  }

  async *fetch(keys: Iterable<Buffer>, signal?: AbortSignal): AsyncGenerator<readonly Fetched[]> {
    const { beforeFetch, beforeFetched, damageFetched = (fetched) => fetched } = this.#wrapping;
    await beforeFetch?.(this.#fetches++);
    for await (const page of this.#copy.fetch(keys, signal)) {
      for (const fetched of page) {
        await beforeFetched?.(this.#answers++);
        yield [damageFetched(fetched)];
      }
    }
  }

  async openApply(options: ApplyOptions): Promise<ApplySession> {
    await this.#wrapping.beforeOpenApply?.();
    const session = await this.#copy.openApply(options);
    const { beforeApply, afterApply, damageVersion = (version) => version } = this.#wrapping;
    return {
      apply: async (batch, signal): Promise<readonly ApplyResult[]> => {
        const number = this.batches.length;
        this.batches.push(batch);
        await beforeApply?.(number);
        const results = await session.apply(batch.map(damageVersion), signal);
        await afterApply?.(number);
        return results;
      },
      [Symbol.asyncDispose]: async () => await session[Symbol.asyncDispose](),
    };
  }
}
