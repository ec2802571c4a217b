/**
 * For a plan that was kept in a file: which of its entries still hold. People looked at that plan and agreed
 * to it, so nothing else is done: a holder must still have the planned winner and a copy that lacks it still
 * what the plan says it has.
 */
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { entityKey, splitEntity } from '../property/entity.ts';
import type { Version } from '../property/version.ts';
import type { StoredVersion } from '../shard-copy/shard-copy.ts';
import { compareToPlanned, readLive } from './fetch-live.ts';
import { type CarryStep, changedSincePlan, type FetchContext } from './carry-step.ts';
import type { PlanEntry, PlanLacker } from './plan.ts';

export interface StandingEntry {
  readonly entry: PlanEntry;
  /** The copies that are to be changed as planned. */
  readonly standing: readonly PlanLacker[];
  /** What is not to be done, and why. */
  readonly steps: readonly CarryStep[];
}

type Standing = 'holds' | 'changed' | 'unknown';

/** Looks at every place the entries name, live. A copy that fails is noted in the context. */
export async function checkStanding(
  batch: readonly PlanEntry[],
  context: FetchContext,
): Promise<StandingEntry[]> {
  const places = new Set(
    batch.flatMap(({ holders, lackers }) => [...holders, ...lackers.map(({ place }) => place)]),
  );
  const looks = await Promise.all(
    [...places].map(async (place) => [place, await lookAt(place, batch, context)] as const),
  );
  const standingAt = new Map(looks);
  return batch.map((entry) => {
    const at = (place: string): Standing => standingAt.get(place)?.get(entry) ?? 'unknown';
    if (entry.holders.some((holder) => at(holder) === 'changed')) {
      return {
        entry,
        standing: [],
        steps: [{ step: 'keep', entry, lackers: entry.lackers, reason: changedSincePlan }],
      };
    }
    const having = (standing: Standing): PlanLacker[] =>
      entry.lackers.filter(({ place }) => at(place) === standing);
    const steps: CarryStep[] = [];
    const changed = having('changed');
    if (changed.length > 0) steps.push({ step: 'keep', entry, lackers: changed, reason: changedSincePlan });
    for (const lacker of having('unknown')) {
      const reason = `could not be looked at: ${context.failed.get(lacker.place)?.message ?? lacker.place}`;
      steps.push({ step: 'fail', entry, lackers: [lacker], reason });
    }
    return { entry, standing: having('holds'), steps };
  });
}

async function lookAt(
  place: string,
  batch: readonly PlanEntry[],
  { copies, spelling, failed, signal }: FetchContext,
): Promise<Map<PlanEntry, Standing>> {
  const standing = new Map<PlanEntry, Standing>();
  const planned = batch.flatMap((entry) => {
    const lacker = entry.lackers.find((candidate) => candidate.place === place);
    if (lacker !== undefined) return [{ entry, version: lacker.before }];
    return entry.holders.includes(place) ? [{ entry, version: entry.winner }] : [];
  });
  if (failed.has(place)) return standing;
  try {
    const copy = copies.get(place);
    if (copy === undefined) throw new CodedError('bad-plan', `there is no copy at ${place}`, { place });
    const asked = planned.map((one) => ({ ...one, key: entityKey(splitEntity(one.entry.entity)) }));
    const take = (one: (typeof asked)[number], version: StoredVersion | null): void => {
      standing.set(one.entry, isAsPlanned(version, one.version) ? 'holds' : 'changed');
    };
    await readLive(copy, asked, take, signal);
  } catch (error) {
    throwIfAborted(signal);
    failed.set(place, CodedError.from(error));
  }
  return standing;

  function isAsPlanned(version: StoredVersion | null, expected: Version | null): boolean {
    if (version === null || expected === null) return version === expected;
    return compareToPlanned(version, expected, spelling) === 0;
  }
}
