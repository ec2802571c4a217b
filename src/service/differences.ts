/**
 * The differences of replicas for whoever asks now: trees are compared as they are, nothing is built, queued or
 * changed. What a repair would do about them is told by a dry run.
 */
import type { DifferenceResource, DifferencesSummary } from '../admin/difference-resources.ts';
import { differenceJson } from '../diff/difference-json.ts';
import { diffShard } from '../diff/diff-shard.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { closeViews, openComparableViews } from '../repair/open-views.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import { listedEqual } from '../round/listed-equal.ts';
import { matchMembers, type Narrowing } from '../round/match-members.ts';
import type { LostMember, Member } from '../round/member.ts';
import { askMembers } from '../round/run-round.ts';

export interface DifferencesOptions {
  readonly narrowing: Narrowing;
  /** Differing entities that are told. */
  readonly limit: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export type DifferenceLine = DifferenceResource | { readonly summary: DifferencesSummary };

/** Every difference over `members`, then the summary. Throws what matching and comparing throw, `cancelled`. */
export async function* findDifferences(
  members: readonly Member[],
  options: DifferencesOptions,
): AsyncGenerator<DifferenceLine> {
  const tally = new Tally();
  const lost: LostMember[] = [];
  const asked = await askMembers(members, lost, options);
  for (const { member, error } of lost) tally.inconclusive(`${member.place}: ${error.message}`);
  for (const target of asked.length === 0 ? [] : matchMembers(asked, options.narrowing)) {
    if (tally.more) break;
    const equal = listedEqual(target, asked);
    if (equal !== null) tally.shard(equal.stale);
    else if (target.copies.length < 2)
      tally.inconclusive(`${target.group}/${target.shard} has one copy only`);
    else yield* compareShard(target, options, tally);
  }
  yield { summary: tally.summary };
}

async function* compareShard(
  target: ShardCopies,
  { limit, clock, signal }: DifferencesOptions,
  tally: Tally,
): AsyncGenerator<DifferenceResource> {
  const places = target.copies.map(({ place }) => place);
  try {
    const { views } = await openComparableViews(target.copies, signal);
    try {
      tally.shard(views.some(({ view }) => view.description.stale));
      const differences = diffShard(views, { clock, signal });
      for await (const difference of differences) {
        if (tally.differing === limit) {
          tally.more = true;
          return;
        }
        tally.differing += 1;
        yield differenceJson(target, places, difference);
      }
      if (differences.result.outcome === 'inconclusive') tally.inconclusive(differences.result.reason);
    } finally {
      await closeViews(views);
    }
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'no-tree') throw error;
    tally.inconclusive(error.message);
  }
}

class Tally {
  differing = 0;
  more = false;
  #stale = false;
  #shards = 0;
  #reason: string | null = null;

  shard(stale: boolean): void {
    this.#shards += 1;
    this.#stale ||= stale;
  }

  inconclusive(reason: string): void {
    this.#reason ??= reason;
  }

  get summary(): DifferencesSummary {
    const { differing, more } = this;
    const told = { reason: this.#reason, differing, more, stale: this.#stale, shardsCompared: this.#shards };
    if (this.#reason !== null) return { outcome: 'inconclusive', ...told };
    return { outcome: differing > 0 ? 'differs' : 'matched', ...told };
  }
}
