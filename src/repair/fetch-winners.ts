/**
 * Fetches the winners of a plan, each from one copy that has it; where that copy fails or no longer has it,
 * from the next. A holder's newer version is shipped in the place of the planned one. A page of values is in memory
 * at a time: who takes the steps decides how many are gathered.
 */
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { entityKey, splitEntity } from '../property/entity.ts';
import { applyBatchRowsMax, type StoredVersion } from '../shard-copy/shard-copy.ts';
import { type CarryStep, changedSincePlan, type FetchContext } from './carry-step.ts';
import { checkStanding } from './check-standing.ts';
import { compareToPlanned, fetchLive, spelledToSend } from './fetch-live.ts';
import type { PlanEntry, PlanLacker } from './plan.ts';

/** Entries fetched by one call to a holder: over a distance a call costs a round trip, and its values are read one by one. */
const fetchRowsMax = 5 * applyBatchRowsMax;

interface Sought {
  readonly entry: PlanEntry;
  readonly key: Buffer;
  readonly lackers: readonly PlanLacker[];
  /** Position in the entry's holders. */
  holder: number;
  /** Why no holder so far could give it. */
  readonly reasons: string[];
}

/** Pages of steps, one for every entry, not in order. Entries are looked at in batches, so that fetches come in batches. */
export async function* fetchWinners(
  pages: AsyncIterable<readonly PlanEntry[]>,
  context: FetchContext,
): AsyncGenerator<readonly CarryStep[]> {
  const rowsMax = context.onlyStanding ? applyBatchRowsMax : fetchRowsMax;
  let batch: PlanEntry[] = [];
  for await (const entries of pages) {
    for (const entry of entries) {
      if (!entry.lackers.some(isHeldBack)) batch.push(entry);
      else {
        const held = entry.lackers.filter(isHeldBack);
        yield [{ step: 'hold', entry, lackers: held }];
        const lackers = entry.lackers.filter((lacker) => !isHeldBack(lacker));
        if (lackers.length > 0) batch.push({ ...entry, lackers });
      }
      if (batch.length < rowsMax) continue;
      yield* fetchBatch(batch, context);
      batch = [];
    }
  }
  yield* fetchBatch(batch, context);
}

function isHeldBack({ heldBack }: PlanLacker): boolean {
  return heldBack !== undefined;
}

async function* fetchBatch(
  batch: readonly PlanEntry[],
  context: FetchContext,
): AsyncGenerator<readonly CarryStep[]> {
  let sought: Sought[] = [];
  if (context.onlyStanding) {
    for (const { entry, standing, steps } of await checkStanding(batch, context)) {
      if (steps.length > 0) yield steps;
      if (standing.length > 0) sought.push(soughtOf(entry, standing));
    }
  } else {
    sought = batch.map((entry) => soughtOf(entry, entry.lackers));
  }
  while (sought.length > 0) {
    const byHolder = new Map<string, Sought[]>();
    for (const one of sought) {
      const holder = nextHolder(one, context);
      if (holder === null) yield [notFetched(one)];
      else {
        const asked = byHolder.get(holder) ?? [];
        asked.push(one);
        byHolder.set(holder, asked);
      }
    }
    sought = [];
    for (const [holder, asked] of byHolder) sought.push(...(yield* fetchFrom(holder, asked, context)));
  }
}

/** Yields what the holder gives; returns what has to be sought at the next holder. */
async function* fetchFrom(
  holder: string,
  asked: readonly Sought[],
  context: FetchContext,
): AsyncGenerator<readonly CarryStep[], Sought[]> {
  const { copies, failed, signal } = context;
  const copy = copies.get(holder);
  const left: Sought[] = [];
  let answered = 0;
  try {
    if (copy === undefined)
      throw new CodedError('bad-plan', `there is no copy at ${holder}`, { place: holder });
    const keys = asked.map(({ key }) => key);
    for await (const page of fetchLive(copy, keys, signal)) {
      const steps: CarryStep[] = [];
      try {
        for (const { version } of page) {
          const one = asked[answered] as Sought;
          const step = stepOf(holder, one, version, context);
          answered++;
          if (step !== null) steps.push(step);
          else {
            one.reasons.push(`${holder} no longer has it`);
            left.push({ ...one, holder: one.holder + 1 });
          }
        }
      } finally {
        // Also those before a value that shows its slot to be another than was announced.
        if (steps.length > 0) yield steps;
      }
    }
  } catch (error) {
    throwIfAborted(signal);
    const coded = CodedError.from(error);
    failed.set(holder, failed.get(holder) ?? coded);
    for (const one of asked.slice(answered)) left.push(one);
  }
  return left;
}

/** What to do with what a holder gave; null where it has to be sought at the next. */
function stepOf(
  place: string,
  { entry, lackers, holder }: Sought,
  version: StoredVersion | null,
  { spelling, onlyStanding, movedOn, proofs }: FetchContext,
): CarryStep | null {
  const order = version === null ? -1 : compareToPlanned(version, entry.winner, spelling);
  if (order !== 0) movedOn.add(place);
  proofs.add(place, entry, order === 0 && holder === 0 ? (version?.digest ?? null) : null);
  if (version !== null && (onlyStanding ? order === 0 : order >= 0))
    return { step: 'ship', entry, lackers, version: spelledToSend(version, entry.winner, spelling) };
  return onlyStanding ? { step: 'keep', entry, lackers, reason: changedSincePlan } : null;
}

function soughtOf(entry: PlanEntry, lackers: readonly PlanLacker[]): Sought {
  return { entry, lackers, key: entityKey(splitEntity(entry.entity)), holder: 0, reasons: [] };
}

/** Steps over holders that failed. */
function nextHolder(one: Sought, { failed }: FetchContext): string | null {
  for (; ; one.holder++) {
    const holder = one.entry.holders[one.holder];
    if (holder === undefined) return null;
    const error = failed.get(holder);
    if (error === undefined) return holder;
    one.reasons.push(error.message);
  }
}

function notFetched({ entry, lackers, reasons }: Sought): CarryStep {
  return { step: 'fail', entry, lackers, reason: `could not be fetched: ${reasons.join('; ')}` };
}
