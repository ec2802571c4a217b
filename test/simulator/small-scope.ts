/**
 * Visits every state that three replicas reach by writes, deletes, builds and repairs from each of them, whole or
 * ended by a crash of the coordinator or of one replica, in breadth: every schedule up to a depth. Each step is
 * held to the order of versions, and each state must still come to rest in agreement.
 */
import type { Version } from '../../src/property/version.ts';
import { CodedError } from '../../src/lib/coded-error.ts';
import type { RepairReport } from '../../src/repair/report.ts';
import { repairShards } from '../../src/repair/repair-shards.ts';
import type { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { WrappedShardCopy } from '../support/wrapped-shard-copy.ts';
import { orderOf, Violation } from './invariants.ts';
import {
  type Cell,
  copiesOf,
  emptyState,
  nameOf,
  normalise,
  type Row,
  rowOf,
  type SmallState,
  versionOf,
} from './small-state.ts';

export interface ExploreOptions {
  readonly entities: number;
  readonly depth: number;
  /** Ends the search, between two states. */
  readonly outOfTime: () => boolean;
  /** Where coordinators put their plans. */
  readonly scratch: string;
}

export interface Explored {
  /** Different states. */
  readonly states: number;
  /** Steps tried, those that led back to a known state too. */
  readonly steps: number;
  /** All schedules of so many steps were tried. */
  readonly depth: number;
}

interface Found {
  readonly state: SmallState;
  readonly path: readonly string[];
}

/** How a repair ends early: the coordinator dies after so many applies, or one replica answers no apply. */
interface Cut {
  readonly after: number;
  readonly down: number | null;
}

const whole: Cut = { after: Infinity, down: null };

export class SmallScope {
  readonly #options: ExploreOptions;
  readonly #known = new Set<string>();
  /** Indexes from which it is known to come to rest. */
  readonly #resting = new Set<string>();
  #steps = 0;

  constructor(options: ExploreOptions) {
    this.#options = options;
  }

  /** Searches; throws a {@link Violation} with the schedule that leads to it. */
  async explore(): Promise<Explored> {
    let frontier: Found[] = [{ state: emptyState(this.#options.entities), path: [] }];
    this.#known.add(nameOf(frontier[0]?.state ?? []));
    let depth = 0;
    for (; depth < this.#options.depth && frontier.length > 0; depth += 1) {
      const next: Found[] = [];
      for (const found of frontier) {
        if (this.#options.outOfTime()) return { states: this.#known.size, steps: this.#steps, depth };
        try {
          await this.#expand(found, next);
        } catch (error) {
          throw new Violation(`after ${found.path.join(', ') || 'nothing'}: ${(error as Error).message}`, {
            cause: error,
          });
        }
      }
      frontier = next;
    }
    return { states: this.#known.size, steps: this.#steps, depth };
  }

  async #expand(found: Found, next: Found[]): Promise<void> {
    const { state, path } = found;
    for (const [step, after] of [...plainSteps(state), ...(await this.#repairs(state))]) {
      this.#steps += 1;
      checkForward(state, after, step);
      const normal = normalise(after);
      const name = nameOf(normal);
      if (this.#known.has(name)) continue;
      this.#known.add(name);
      await this.#checkRest(normal, step);
      next.push({ state: normal, path: [...path, step] });
    }
  }

  async #repairs(state: SmallState): Promise<[string, SmallState][]> {
    const steps: [string, SmallState][] = [];
    for (const from of state.keys()) {
      const done = await this.#repair(state, from, whole);
      steps.push([`repair from r${from}`, done.state]);
      for (let after = 1; after < done.applies; after += 1) {
        const died = await this.#repair(state, from, { after, down: null });
        steps.push([`repair from r${from} that dies after ${after} applies`, died.state]);
      }
      // One that is sent nothing does not show whether it is down.
      for (const down of done.receivers) {
        const crashed = await this.#repair(state, from, { after: Infinity, down });
        steps.push([`repair from r${from} in which r${down} crashes`, crashed.state]);
      }
    }
    return steps;
  }

  async #repair(
    state: SmallState,
    from: number,
    cut: Cut,
  ): Promise<{ state: SmallState; applies: number; receivers: ReadonlySet<number> }> {
    const copies = copiesOf(state);
    const receivers = new Set<number>();
    let applies = 0;
    // Who coordinates sees its own copy first.
    const seen = [...copies.slice(from), ...copies.slice(0, from)].map((copy) => {
      const beforeApply = (): void => {
        receivers.add(copies.indexOf(copy));
        if (applies++ >= cut.after || copies.indexOf(copy) === cut.down)
          throw new CodedError('unreachable', 'cut');
      };
      return new WrappedShardCopy(copy, { beforeApply });
    });
    const report = await this.#run(seen);
    const now = state.map(({ tree }, replica) => ({ index: this.#row(copies[replica]), tree }));
    if (cut === whole) checkOutcome(report, state, now);
    return { state: now, applies, receivers };
  }

  #row(copy: MemoryShardCopy | undefined): Row {
    return copy === undefined ? [] : rowOf(copy, this.#options.entities);
  }

  #run(copies: readonly WrappedShardCopy[]): Promise<RepairReport> {
    const clock = { nowNs: () => 0n, nowMs: () => 0, monotonicMs: () => 0, sleep: async () => undefined };
    return repairShards([{ group: 'g', shard: 0, copies }], {
      clock,
      spoolDirectory: this.#options.scratch,
    });
  }

  /** From here, builds and a repair end in the greatest versions everywhere, and another ships nothing. */
  async #checkRest(state: SmallState, step: string): Promise<void> {
    // Trees are built anew first, so the indexes alone tell what comes of it.
    const name = nameOf(normalise(state.map(({ index }) => ({ index, tree: index }))));
    if (this.#resting.has(name)) return;
    this.#resting.add(name);
    const copies = copiesOf(state);
    const rest = async (): Promise<RepairReport> => {
      for (const copy of copies) copy.build();
      return await this.#run(copies.map((copy) => new WrappedShardCopy(copy, {})));
    };
    await rest();
    const { outcome, shipped } = await rest();
    if (outcome !== 'matched' || shipped > 0) throw new Violation(`${step}: at rest it ends ${outcome}`);
    for (const copy of copies) {
      const row = this.#row(copy);
      for (const entity of row.keys()) {
        const greatest = greatestOf(
          state.map(({ index }) => index[entity] ?? null),
          entity,
        );
        if (compare(row[entity] ?? null, greatest, entity) !== 0) {
          throw new Violation(`${step}: at rest ${copy.place} does not hold the greatest version`);
        }
      }
    }
  }
}

function plainSteps(state: SmallState): [string, SmallState][] {
  return state.flatMap((replica, at) => {
    const replaced = (changed: Partial<SmallState[number]>): SmallState =>
      state.map((other, position) => (position === at ? { ...other, ...changed } : other));
    const { index } = replica;
    const steps: [string, SmallState][] = [[`build r${at}`, replaced({ tree: index })]];
    const seen = Math.max(0, ...index.map((cell) => cell?.revision ?? 0));
    const times = Math.max(0, ...index.map((cell) => cell?.deleteTime ?? 0));
    for (const [entity, cell] of index.entries()) {
      const put = (next: Cell): SmallState =>
        replaced({ index: index.map((other, position) => (position === entity ? next : other)) });
      const revision = seen + 1;
      for (const [how, value] of tiesOf(state, entity, revision)) {
        steps.push([`write e${entity} at r${at}${how}`, put({ revision, deleteTime: 0, value })]);
      }
      if (cell !== null && cell.deleteTime === 0) {
        steps.push([`delete e${entity} at r${at}`, put({ ...cell, deleteTime: times + 1 })]);
      }
    }
    return steps;
  });
}

/** Where others wrote the same revision meanwhile, the digests of what is written may fall either way. */
function tiesOf(state: SmallState, entity: number, revision: number): [string, number][] {
  const cells = state.flatMap(({ index, tree }) => [index[entity], tree[entity]]);
  const values = cells.flatMap((cell) => (cell?.revision === revision ? [cell.value] : []));
  if (values.length === 0) return [['', 0]];
  return [
    [', of a smaller digest', Math.min(...values) - 1],
    [', of a greater digest', Math.max(...values) + 1],
  ];
}

function compare(a: Cell | null, b: Cell | null, entity: number): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  const [x, y]: Version[] = [versionOf(a, entity), versionOf(b, entity)];
  return orderOf(x as Version, y as Version);
}

function greatestOf(cells: readonly (Cell | null)[], entity: number): Cell | null {
  return cells.reduce((best, next) => (compare(next, best, entity) > 0 ? next : best), null);
}

function checkForward(before: SmallState, after: SmallState, step: string): void {
  for (const [replica, { index }] of after.entries()) {
    for (const [entity, cell] of index.entries()) {
      const old = before[replica]?.index[entity] ?? null;
      if (compare(cell, old, entity) < 0) throw new Violation(`${step}: e${entity} at r${replica} went back`);
    }
  }
}

/** Holds a repair to what it says of the trees it compared. */
function checkOutcome({ outcome }: RepairReport, before: SmallState, after: SmallState): void {
  for (const entity of before[0]?.tree.keys() ?? []) {
    const trees = before.map(({ tree }) => tree[entity] ?? null);
    const greatest = greatestOf(trees, entity);
    if (outcome === 'matched' && trees.some((cell) => compare(cell, greatest, entity) !== 0)) {
      throw new Violation('it says matched, and trees differ');
    }
    const lacking = after.findIndex(({ index }) => compare(index[entity] ?? null, greatest, entity) < 0);
    if (lacking >= 0) throw new Violation(`it says ${outcome}, and r${lacking} lacks a version of the trees`);
  }
  if (outcome !== 'matched' && outcome !== 'repaired') throw new Violation(`a whole repair ended ${outcome}`);
}
