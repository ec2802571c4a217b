/**
 * First half of a repair: describes and compares the copies of a shard, decides the winners and writes the
 * plan. Changes nothing. Views are open only while it runs; carrying out reads and writes live.
 */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { Difference } from '../diff/diff-leaves.ts';
import { type DiffBudget, type DiffResult, diffShard } from '../diff/diff-shard.ts';
import type { PlacedView } from '../diff/diff-slots.ts';
import { type Entity, joinEntity, parseEntityKey } from '../property/entity.ts';
import { defaultSlots, type GroupSettings } from '../property/group-settings.ts';
import type { ShardCopy, ViewDescription } from '../shard-copy/shard-copy.ts';
import { type ComparableViews, closeViews, openComparableViews } from './open-views.ts';
import { findHeldBack, type HeldBack } from './hold-back.ts';
import type { PlanEntry, PlanLacker, PlanShardCounts, PlanShardHead, PlanSink } from './plan.ts';
import { planPlacesMax } from './plan-json.ts';
import { changeReason, type RepairChange, type RepairProgress } from './report.ts';
import { type SettledDifference, settleBatch, settleDifferences } from './settle.ts';

/** The copies of one shard; at least two, at places that differ. */
export interface ShardCopies {
  readonly group: string;
  readonly shard: number;
  readonly copies: readonly ShardCopy[];
}

export interface PlanOptions {
  readonly clock: Clock;
  readonly budget?: DiffBudget | undefined;
  /** Leaves may come with heads of digests, since carrying the plan out fetches their values (slot-proofs.ts). */
  readonly heads?: boolean | undefined;
  /** For an absent group whose settings no copy tells. */
  readonly settings?: Partial<GroupSettings> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RepairProgress) => void) | undefined;
  /** Called with result `held back` for what a plan cannot name. */
  readonly onHeldBack?: ((change: RepairChange) => void | Promise<void>) | undefined;
}

export interface ShardPlan {
  readonly head: PlanShardHead;
  readonly counts: PlanShardCounts;
  readonly diff: DiffResult;
  /** Changes held back that stand in no plan, since nothing there could name or give them. */
  readonly unnamed: number;
  /** Entities that are equal but spelled otherwise. */
  readonly otherSpelling: number;
  /** Places whose index had moved on since their tree. */
  readonly stale: readonly string[];
}

/**
 * Writes the plan of a shard to `spool`, as one shard of it. Throws what describing and comparing throw, the
 * place named; the shard then stands in the spool as not complete.
 */
export async function planShard(
  target: ShardCopies,
  spool: PlanSink,
  options: PlanOptions,
): Promise<ShardPlan> {
  const { group, shard, copies } = target;
  const { signal, onProgress } = options;
  const none = { group, shard, slotsDone: 0, slotsTotal: 0, entitiesDone: 0, entitiesTotal: 0, bytes: 0 };
  onProgress?.({ phase: 'describe', ...none });
  if (new Set(copies.map(({ place }) => place)).size < copies.length) {
    throw new CodedError(
      'bad-argument',
      `a place is named twice: ${copies.map(({ place }) => place).join(', ')}`,
      { field: 'place' },
    );
  }
  if (copies.length > planPlacesMax) {
    const message = `a shard is repaired over at most ${planPlacesMax} copies, not ${copies.length}`;
    throw new CodedError('too-large', message, { group, shard, ceiling: planPlacesMax });
  }
  const comparable = await openComparableViews(copies, signal);
  try {
    checkDescriptions(target, comparable.views);
    const head = shardHead(target, comparable, options);
    await spool.startShard(head);
    let complete = false;
    try {
      onProgress?.({ phase: 'compare', ...none });
      const compared = await compareShard(target, comparable, spool, options);
      complete = true;
      // What is left is to end the plan, to check it as a whole, and the fuse.
      onProgress?.({ phase: 'plan', ...none, entitiesTotal: compared.diff.differing });
      return { head, counts: await spool.endShard(true), ...compared };
    } finally {
      if (!complete) await spool.endShard(false);
    }
  } finally {
    await closeViews(comparable.views, signal);
  }
}

async function compareShard(
  { group, shard, copies }: ShardCopies,
  { views, respelled, spelling, deciding, untelling }: ComparableViews,
  spool: PlanSink,
  { clock, budget, heads, signal, onProgress, onHeldBack }: PlanOptions,
): Promise<Omit<ShardPlan, 'head' | 'counts'>> {
  const diff = diffShard(views, {
    clock,
    ...(budget && { budget }),
    // A head says nothing about a digest in another spelling, nor about a copy whose leaves tell no versions.
    heads: heads === true && spelling === deciding && ![...respelled, ...untelling].includes(true),
    ...(signal && { signal }),
    onProgress: ({ slotsDone, slotsTotal, differing, bytes }) =>
      onProgress?.({
        phase: 'compare',
        group,
        shard,
        slotsDone,
        slotsTotal,
        entitiesDone: 0,
        entitiesTotal: differing,
        bytes,
      }),
  });
  // Per copy, leaves found to differ: what is left of a respelled copy's is equal, spelled otherwise.
  const differingLeaves = copies.map(() => 0);
  const behind = new Set<number>();
  let equalOtherwise = 0;
  let unnamed = 0;
  const settle = async (batch: readonly Difference[]): Promise<void> => {
    const result = await settleDifferences(batch, {
      copies,
      untelling,
      spelling,
      deciding,
      signal,
    });
    equalOtherwise += result.otherSpelling;
    for (const copy of result.behind) behind.add(copy);
    for (const difference of result.unanswered) {
      unnamed++;
      await onHeldBack?.(unansweredChange(group, shard, copies, difference));
    }
    const heldBack = await findHeldBack(result.settled, { copies, spelling, signal });
    const entries: PlanEntry[] = [];
    for (const [position, difference] of result.settled.entries()) {
      const entity = parseEntityKey(group, difference.key);
      const entry = planEntry(entity, shard, copies, difference, heldBack[position] ?? nothingHeldBack);
      if (!entity.name.includes('/')) {
        entries.push(entry);
        continue;
      }
      unnamed += entry.lackers.length;
      for (const change of plannedChanges(entry)) {
        await onHeldBack?.({ ...change, result: 'held back', reason: slashInName });
      }
    }
    await spool.add(entries);
  };
  let batch: Difference[] = [];
  for await (const page of diff.pages()) {
    for (const difference of page) {
      for (const [copy, leaf] of difference.leaves.entries()) {
        if (leaf !== null) differingLeaves[copy] = (differingLeaves[copy] ?? 0) + 1;
      }
      batch.push(difference);
      if (batch.length < settleBatch) continue;
      await settle(batch);
      batch = [];
    }
  }
  await settle(batch);
  const spelledOtherwise = views.map(({ view }, copy) =>
    respelled[copy] ? view.description.leaves - (differingLeaves[copy] ?? 0) : 0,
  );
  return {
    diff: diff.result,
    unnamed,
    otherSpelling: Math.max(...spelledOtherwise) + equalOtherwise,
    stale: views
      .filter(({ view }, copy) => view.description.stale || behind.has(copy))
      .map(({ place }) => place),
  };
}

const nothingHeldBack: HeldBack = new Map();

const slashInName =
  'its name holds a slash, by which nobody could tell its name from its id; write it anew under another name';

/** A difference that nobody can give a version of, as a change that is not made. */
function unansweredChange(
  group: string,
  shard: number,
  copies: readonly ShardCopy[],
  { key, leaves }: Difference,
): RepairChange {
  const copy = leaves.findIndex((leaf) => leaf !== null);
  const digest = leaves[copy]?.digest ?? Buffer.alloc(0);
  return {
    result: 'held back',
    group,
    shard,
    entity: joinEntity(parseEntityKey(group, key)),
    place: copies[copy]?.place ?? '',
    before: null,
    after: { revision: 0n, deleteTime: 0n, digest },
    reason:
      'trees have it and no copy gives it; either it was swept since, or its name holds a slash, ' +
      'by which a BanyanDB node does not find it: then write it anew under another name',
  };
}

function checkDescriptions({ group, shard }: ShardCopies, views: readonly PlacedView[]): void {
  for (const { place, view } of views) {
    const told = view.description;
    if (told.group === group && told.shard === shard) continue;
    throw new CodedError(
      'bad-message',
      `${place} was asked for group ${group}, shard ${shard} and describes group ${told.group}, shard ${told.shard}`,
      { place, group: told.group, shard: told.shard },
    );
  }
}

function shardHead(target: ShardCopies, comparable: ComparableViews, options: PlanOptions): PlanShardHead {
  const { group, shard } = target;
  const { views, spelling, own } = comparable;
  const told = <T>(read: (description: ViewDescription) => T | null): T | null =>
    views.map(({ view }) => read(view.description)).find((value) => value !== null) ?? null;
  const shards = told((description) => description.shards) ?? options.settings?.shards ?? null;
  const slots =
    told(({ slotScheme }) => slotScheme?.slots ?? null) ?? options.settings?.slots ?? defaultSlots;
  return {
    group,
    shard,
    settings:
      // A new copy of ours is to spell as the others of ours do.
      shards === null ? null : { shards, slots, spelling: options.settings?.spelling ?? own ?? 'compact' },
    spelling,
    copies: views.map(({ place, view: { description } }) => ({
      place,
      leaves: description.leaves,
      liveLeaves: description.liveLeaves,
    })),
  };
}

function planEntry(
  named: Entity,
  shard: number,
  copies: readonly ShardCopy[],
  settled: SettledDifference,
  heldBack: HeldBack,
): PlanEntry {
  const { versions, winner, winners, unproven } = settled;
  const { group } = named;
  const entity = joinEntity(named);
  const holders: string[] = [];
  const lackers: PlanLacker[] = [];
  for (const [position, { place }] of copies.entries()) {
    const reason = heldBack.get(position);
    const before = versions[position] ?? null;
    if (winners.includes(position)) holders.push(place);
    else lackers.push(reason === undefined ? { place, before } : { place, before, heldBack: reason });
  }
  return unproven === undefined
    ? { group, shard, entity, winner, holders, lackers }
    : { group, shard, entity, winner, holders, lackers, unproven };
}

/** The changes an entry stands for, one per copy that lacks the winner. */
export function plannedChanges({ group, shard, entity, winner, lackers }: PlanEntry): RepairChange[] {
  return lackers.map(({ place, before, heldBack }) => ({
    result: heldBack === undefined ? 'planned' : 'held back',
    group,
    shard,
    entity,
    place,
    before,
    after: winner,
    reason: heldBack ?? changeReason(before, winner),
  }));
}
