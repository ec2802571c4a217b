/** A member of rounds whose copies are held in memory and whose steps a test can fail. */
import { CodedError } from '../../src/lib/coded-error.ts';
import type { ShardCopies } from '../../src/repair/plan-shard.ts';
import type { BuildOrder, Member, MemberBuildOptions, Offer } from '../../src/round/member.ts';
import type { ShardCopy } from '../../src/shard-copy/shard-copy.ts';
import { MemoryShardCopy } from './memory-shard-copy.ts';
import { type Wrapping, WrappedShardCopy } from './wrapped-shard-copy.ts';

export interface MemoryMemberOptions {
  /** Its copies; each is of its group and shard. */
  readonly copies: readonly MemoryShardCopy[];
  /** Awaited before each offer, counted from 0; a throw loses the member there. */
  readonly beforeOffer?: (call: number) => void | Promise<void>;
  readonly beforeBuild?: (call: number) => void | Promise<void>;
  /** Between a round and the copies. */
  readonly wrapping?: Wrapping;
  /** Whether what it lists tells of its trees, as peers do. */
  readonly listsTrees?: boolean;
  /** Told instead of the shard count of the copies' settings. */
  readonly shards?: number | null;
  /** Told instead of the shards of its copies. */
  readonly offered?: readonly number[] | null;
  readonly holds?: (group: string, shard: number) => boolean;
}

export class MemoryMember implements Member {
  readonly place: string;
  readonly name = null;
  readonly kind = 'tallystick';
  readonly #options: MemoryMemberOptions;
  readonly #copies: MemoryShardCopy[];
  readonly calls = { offers: 0, builds: 0 };
  /** Every shard that was to be built. */
  readonly built: BuildOrder[] = [];
  readonly wrapped: WrappedShardCopy[] = [];

  constructor(place: string, options: MemoryMemberOptions) {
    this.place = place;
    this.#options = options;
    this.#copies = [...options.copies];
  }

  async offer(): Promise<Offer> {
    const { beforeOffer, listsTrees = true, shards, offered, holds = () => true } = this.#options;
    const call = this.calls.offers++;
    await beforeOffer?.(call);
    const groups = [...new Set(this.#copies.map(({ group }) => group))];
    const trees = new Map<string, Awaited<ReturnType<MemoryShardCopy['openView']>>['description']>();
    for (const copy of this.#copies) {
      if (copy.root !== 'no tree')
        trees.set(`${copy.group}/${copy.shard}`, (await copy.openView()).description);
    }
    return {
      groups: groups.map((group) => {
        const mine = this.#copies.filter((copy) => copy.group === group);
        return {
          group,
          shards: shards === undefined ? (mine[0]?.settings.shards ?? null) : shards,
          offered: offered === undefined ? mine.map(({ shard }) => shard) : offered,
        };
      }),
      tree: (group, shard) => (listsTrees ? (trees.get(`${group}/${shard}`) ?? null) : null),
      holds,
    };
  }

  copy(group: string, shard: number): ShardCopy {
    let found = this.#copies.find((copy) => copy.group === group && copy.shard === shard);
    if (found === undefined) {
      // As an absent group of a real replica: nothing in it, and a tree as soon as it is built.
      found = new MemoryShardCopy({ place: this.place, group, shard });
      found.build();
      this.#copies.push(found);
    }
    const wrapped = new WrappedShardCopy(found, this.#options.wrapping ?? {});
    this.wrapped.push(wrapped);
    return wrapped;
  }

  async build(orders: readonly BuildOrder[], _options?: MemberBuildOptions): Promise<void> {
    const call = this.calls.builds++;
    await this.#options.beforeBuild?.(call);
    for (const { group, shard } of orders) {
      this.built.push({ group, shard });
      this.#copies.find((copy) => copy.group === group && copy.shard === shard)?.build();
    }
  }
}

/** What a connection that breaks looks like to a round. */
export function broken(place: string): CodedError {
  return new CodedError('unreachable', `the connection to ${place} broke`, { place });
}

/** Group, shard and places of matched copies. */
export function placesOf(targets: readonly ShardCopies[]): string[] {
  return targets.map(
    ({ group, shard, copies }) => `${group}/${shard}: ${copies.map(({ place }) => place).join(' ')}`,
  );
}
