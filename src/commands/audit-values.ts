/**
 * `audit --values`: the versions of what differs are read into memory, so that it is known who would win, what is only
 * spelled otherwise, and what BanyanDB's own repair would do to it. Nothing is written.
 */
import { foreseeOwnRepair } from '../banyandb/own-repair.ts';
import type { Difference } from '../diff/diff-leaves.ts';
import { stateOf, toldVersion } from '../diff/difference-json.ts';
import { diffShard } from '../diff/diff-shard.ts';
import { compareBytes } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { joinEntity, parseEntityKey } from '../property/entity.ts';
import { closeViews, type ComparableViews, openComparableViews } from '../repair/open-views.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import { type SettledDifference, settleBatch, settleDifferences } from '../repair/settle.ts';
import type { CommandContext } from './command.ts';
import {
  budgetOf,
  type DiffOptions,
  type DiffTotals,
  readableLeaf,
  type ValueCounts,
} from './diff-totals.ts';

export interface ValuesAudit {
  /** BanyanDB nodes: their names by place. */
  readonly nodes: ReadonlyMap<string, string>;
  readonly options: DiffOptions;
  readonly totals: DiffTotals;
}

/** Differences held so that the gravest come first; those beyond are told as they are found. */
const heldMax = 20_000;

type Told = readonly [Record<string, unknown>, string];

/** Compares one shard by values; without a tree, or without an answer, it is inconclusive. */
export async function compareValues(
  context: CommandContext,
  target: ShardCopies,
  audit: ValuesAudit,
): Promise<void> {
  try {
    const comparable = await openComparableViews(target.copies, context.signal);
    try {
      await compareOpened(context, target, comparable, audit);
    } finally {
      await closeViews(comparable.views);
    }
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'no-tree') throw error;
    audit.totals.inconclusive(error.message);
  }
}

async function compareOpened(
  context: CommandContext,
  { group, shard, copies }: ShardCopies,
  { views, spelling, deciding, untelling }: ComparableViews,
  { nodes, options, totals }: ValuesAudit,
): Promise<void> {
  const { out, clock, signal } = context;
  const diff = diffShard(views, { clock, budget: budgetOf(options), signal });
  const teller = new ValueTeller(context, { group, shard, copies }, nodes);
  const behind = new Set<number>();
  const settle = async (batch: readonly Difference[]): Promise<void> => {
    const result = await settleDifferences(batch, { copies, untelling, spelling, deciding, signal });
    for (const copy of result.behind) behind.add(copy);
    teller.counts.otherSpelling += result.otherSpelling;
    teller.counts.unanswered += result.unanswered.length;
    for (const difference of result.settled) await teller.take(difference);
    out.progress(() => `reading values of ${group}/${shard}: ${teller.differing} differing`);
  };
  let batch: Difference[] = [];
  for await (const difference of diff) {
    batch.push(difference);
    if (batch.length < settleBatch) continue;
    await settle(batch);
    batch = [];
  }
  await settle(batch);
  await teller.tellHeld();
  const { differing, counts } = teller;
  const stale = views.some(({ view }, copy) => view.description.stale || behind.has(copy));
  const differs = differing + counts.unanswered > 0;
  const { outcome } = diff.result;
  totals.compared(
    { ...diff.result, differing, ...(outcome === 'differs' && !differs && { outcome: 'matched' }) },
    stale,
  );
  totals.valued(counts);
}

/** Tells differences with their versions, deletes that would come back before all others. */
class ValueTeller {
  differing = 0;
  readonly counts: { -readonly [Name in keyof ValueCounts]: number } = {
    otherSpelling: 0,
    unanswered: 0,
    undeletes: 0,
  };
  readonly #context: CommandContext;
  readonly #target: ShardCopies;
  /** Positions of the copies in ring order. */
  readonly #ring: readonly number[];
  #held: Told[] = [];

  constructor(context: CommandContext, target: ShardCopies, nodes: ReadonlyMap<string, string>) {
    this.#context = context;
    this.#target = target;
    const positions = target.copies.flatMap(({ place }, at) => {
      const name = nodes.get(place);
      return name === undefined ? [] : [{ name, at }];
    });
    positions.sort((a, b) => compareBytes(Buffer.from(a.name), Buffer.from(b.name)));
    this.#ring = positions.map(({ at }) => at);
  }

  async take(difference: SettledDifference): Promise<void> {
    this.differing++;
    const { told, undeletes } = this.#line(difference);
    if (undeletes) this.counts.undeletes++;
    if (undeletes || this.#held.length >= heldMax) await this.#context.out.result(...told);
    else this.#held.push(told);
  }

  async tellHeld(): Promise<void> {
    for (const told of this.#held) await this.#context.out.result(...told);
    this.#held = [];
  }

  #line({ key, versions, winner }: SettledDifference): { told: Told; undeletes: boolean } {
    const { group, shard, copies } = this.#target;
    const entity = joinEntity(parseEntityKey(group, key));
    const places = copies.map(({ place }) => place);
    const own = this.#ring.length < 2 ? null : foreseeOwnRepair(this.#ring.map((at) => versions[at] ?? null));
    const starts = (own?.leaves ?? []).flatMap((leaves, at) =>
      leaves === 'live' ? [places[this.#ring[at] ?? 0]] : [],
    );
    const line = {
      group,
      shard,
      entity,
      copies: versions.map((version, at) => ({
        place: places[at],
        state: stateOf(version),
        ...toldVersion(version),
      })),
      winner: toldVersion(winner),
      ownRepair: own && {
        undeletes: own.undeletes,
        startedAt: own.undeletes ? starts : [],
        unmended: own.unmended,
      },
    };
    const readable = versions.map(
      (version, at) =>
        `  ${places[at]}: ${readableLeaf(version)}${version?.digest.equals(winner.digest) ? ' (wins)' : ''}`,
    );
    const warning = own?.undeletes
      ? [`  BanyanDB's own repair brings it back when it starts at ${starts.join(' or ')}`]
      : [];
    const unmended = own?.unmended ? ["  BanyanDB's own repair leaves the contents as they differ"] : [];
    return {
      told: [line, [entity, ...readable, ...warning, ...unmended].join('\n')],
      undeletes: own?.undeletes === true,
    };
  }
}
