/** A replica's shard copy as a coordinator reaches it: each page, chunk and batch is a call over the network. */
import { CodedError } from '../../src/lib/coded-error.ts';
import type {
  ApplyOptions,
  ApplyResult,
  ApplySession,
  Fetched,
  LeafPage,
  ShardCopy,
  ShardView,
  SlotSummary,
  StoredVersion,
  ViewOptions,
} from '../../src/shard-copy/shard-copy.ts';
import { keyedRandom } from './keyed-random.ts';
import { type Network, unreachable } from './network.ts';
import { group, type Replica } from './replica.ts';
import type { Run } from './run.ts';

export class NetworkedCopy implements ShardCopy {
  readonly place: string;
  readonly group = group;
  readonly shard = 0;
  readonly #network: Network;
  readonly #run: Run;
  readonly #replica: Replica;
  /** Versions and keys in one message. */
  readonly #chunk: number;

  constructor(network: Network, run: Run, replica: Replica) {
    this.place = replica.name;
    this.#network = network;
    this.#run = run;
    this.#replica = replica;
    this.#chunk = 1 + keyedRandom(network.seed, `chunk ${replica.name}`).below(6);
  }

  async openView({ spelling }: ViewOptions = {}): Promise<ShardView> {
    const replica = this.#replica;
    const run = this.#run;
    const life = replica.life;
    const view = await this.#call('view', async () => {
      const opened = replica.hold(
        await replica.store.copy.openView(spelling === undefined ? {} : { spelling }),
      );
      run.opened(opened, () => replica.release(opened));
      return opened;
    });
    const ask = async <Result>(what: string, work: () => Promise<Result>): Promise<Result> =>
      await this.#call(what, async () => {
        if (replica.life !== life) throw unreachable(replica, 'restarted since');
        const random = keyedRandom(
          this.#network.seed,
          `lease ${run.id} ${this.place} ${this.#network.time.nowMs}`,
        );
        if (!run.holds(view) || random.chance(this.#network.weather.leaseEnds)) {
          this.#network.happenings.count('view given up by its replica');
          throw new CodedError('generation-gone', `the view at ${this.place} was given up`, {});
        }
        return await work();
      });
    return {
      description: view.description,
      slots: (): AsyncIterable<readonly SlotSummary[]> =>
        remotePages(view.slots(), (work) => ask('slots', work)),
      leaves: (slots): AsyncIterable<LeafPage> =>
        remotePages(view.leaves(slots), (work) => ask('leaves', work)),
      [Symbol.asyncDispose]: async () => await run.closed(view),
    };
  }

  async *fetch(keys: Iterable<Buffer>): AsyncGenerator<readonly Fetched[]> {
    let chunk: Buffer[] = [];
    for (const key of keys) {
      chunk.push(key);
      if (chunk.length < this.#chunk) continue;
      yield* await this.#fetchChunk(chunk);
      chunk = [];
    }
    if (chunk.length > 0) yield* await this.#fetchChunk(chunk);
  }

  async #fetchChunk(keys: readonly Buffer[]): Promise<(readonly Fetched[])[]> {
    return await this.#call('fetch', () => Array.fromAsync(this.#replica.store.copy.fetch(keys)));
  }

  async openApply({ settings, confirmed }: ApplyOptions): Promise<ApplySession> {
    const replica = this.#replica;
    const run = this.#run;
    const life = replica.life;
    const open = async (): Promise<ApplySession> =>
      await replica.store.copy.openApply({ settings, confirmed });
    const session = await this.#call('session', async () => {
      const opened = replica.hold(await open());
      run.opened(opened, () => replica.release(opened));
      return opened;
    });
    let last: Promise<unknown> = Promise.resolve();
    const applyChunk = (versions: readonly StoredVersion[]): Promise<readonly ApplyResult[]> =>
      this.#call(
        'apply',
        async () => {
          if (replica.life !== life) throw unreachable(replica, 'restarted since');
          return await session.apply(versions);
        },
        async () => {
          await using late = await open();
          await late.apply(versions);
        },
      );
    const applyAll = async (batch: readonly StoredVersion[]): Promise<ApplyResult[]> => {
      const results: ApplyResult[] = [];
      for (let at = 0; at < batch.length; at += this.#chunk) {
        results.push(...(await applyChunk(batch.slice(at, at + this.#chunk))));
      }
      return results;
    };
    return {
      apply: (batch) => {
        const applied = last.then(() => applyAll(batch));
        last = applied.catch(() => undefined);
        return applied;
      },
      [Symbol.asyncDispose]: async () => await run.closed(session),
    };
  }

  #call<Result>(what: string, work: () => Promise<Result>, again?: () => Promise<unknown>): Promise<Result> {
    const call = { run: this.#run, replica: this.#replica, what, work };
    return this.#network.call(again === undefined ? call : { ...call, again });
  }
}

/** Pages of the far side, each fetched by a call when it is asked for. */
async function* remotePages<Page>(
  pages: AsyncIterable<Page>,
  ask: (work: () => Promise<IteratorResult<Page>>) => Promise<IteratorResult<Page>>,
): AsyncGenerator<Page> {
  const iterator = pages[Symbol.asyncIterator]();
  for (;;) {
    const next = await ask(() => iterator.next());
    if (next.done === true) return;
    yield next.value;
  }
}
