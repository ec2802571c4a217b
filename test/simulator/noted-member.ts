/** A member of a simulated round, noting what the round saw of it: that is what its report is held to. */
import type { BuildOrder, Member, MemberBuildOptions, Offer } from '../../src/round/member.ts';
import type {
  ApplyOptions,
  ApplyResult,
  ApplySession,
  Fetched,
  ShardCopy,
  ShardView,
  StoredVersion,
  ViewDescription,
  ViewOptions,
} from '../../src/shard-copy/shard-copy.ts';
import { Violation } from './invariants.ts';
import { group, type Replica } from './replica.ts';
import type { Run } from './run.ts';

export interface Noting {
  readonly run: Run;
  readonly replica: Replica;
  /** Versions and keys that go in one call; a batch is cut into so many. */
  readonly chunk: number;
  /** Told of a broken promise, which the code under test would take for a copy that fails. */
  readonly onViolation: (violation: Violation) => void;
}

export class NotedMember implements Member {
  readonly #member: Member;
  readonly #noting: Noting;

  constructor(member: Member, noting: Noting) {
    this.#member = member;
    this.#noting = noting;
  }

  get place(): string {
    return this.#member.place;
  }

  get name(): string | null {
    return this.#member.name;
  }

  get kind(): Member['kind'] {
    return this.#member.kind;
  }

  async offer(signal?: AbortSignal): Promise<Offer> {
    const offer = await this.#member.offer(signal);
    const tree = offer.tree(group, 0);
    if (tree !== null) noteTree(this.#noting, tree);
    else if (offer.groups.length === 0) this.#noting.run.compared.set(this.place, new Map());
    return offer;
  }

  copy(name: string, shard: number): ShardCopy {
    return new NotedCopy(this.#member.copy(name, shard), this.#noting);
  }

  async build(orders: readonly BuildOrder[], options?: MemberBuildOptions): Promise<void> {
    await this.#member.build(orders, options);
  }
}

/** Keeps what the tree that was told of was made of. */
function noteTree({ run, replica, onViolation }: Noting, tree: ViewDescription): void {
  const contents = replica.store.builtOf(tree);
  if (contents === null)
    onViolation(new Violation(`${replica.name} told ${run.id} of a tree that it never built`));
  else run.compared.set(replica.name, contents);
  // What was fetched for an earlier comparison does not speak of this one.
  run.fetched.delete(replica.name);
}

class NotedCopy implements ShardCopy {
  readonly whyHeldBack?: NonNullable<ShardCopy['whyHeldBack']>;
  readonly #copy: ShardCopy;
  readonly #noting: Noting;

  constructor(copy: ShardCopy, noting: Noting) {
    this.#copy = copy;
    this.#noting = noting;
    const { whyHeldBack } = copy;
    if (whyHeldBack !== undefined) this.whyHeldBack = whyHeldBack.bind(copy);
  }

  get place(): string {
    return this.#copy.place;
  }

  get group(): string {
    return this.#copy.group;
  }

  get shard(): number {
    return this.#copy.shard;
  }

  async openView(options?: ViewOptions): Promise<ShardView> {
    const view = await this.#copy.openView(options);
    noteTree(this.#noting, view.description);
    return view;
  }

  async *fetch(keys: Iterable<Buffer>, signal?: AbortSignal): AsyncGenerator<readonly Fetched[]> {
    const { fetched } = this.#noting.run;
    const here = fetched.get(this.place) ?? new Map();
    fetched.set(this.place, here);
    for await (const page of this.#copy.fetch(keys, signal)) {
      for (const { key, version } of page) here.set(key.toString('latin1'), version);
      yield page;
    }
  }

  async openApply(options: ApplyOptions): Promise<ApplySession> {
    const session = await this.#copy.openApply(options);
    const { chunk } = this.#noting;
    return {
      apply: async (batch, signal) => {
        const chunks: Promise<readonly ApplyResult[]>[] = [];
        for (let at = 0; at < batch.length; at += chunk) {
          const some: readonly StoredVersion[] = batch.slice(at, at + chunk);
          chunks.push(session.apply(some, signal));
        }
        return (await Promise.all(chunks)).flat();
      },
      [Symbol.asyncDispose]: async () => await session[Symbol.asyncDispose](),
    };
  }
}
