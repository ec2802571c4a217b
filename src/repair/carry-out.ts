/**
 * Second half of a repair: carries the plan of one shard out. Winners are fetched live, gathered in batches
 * and applied to every copy that lacks them; a few batches are fetched ahead and a few are on their way to the
 * copies, which apply side by side, so that neither side waits for a round trip. A value is fetched once and
 * sent at most once to each copy. What fails is named, counted, and does not stop the rest.
 *
 * Versions pass through as they were fetched: a copy that spells otherwise spells them anew as it applies.
 */
import { CodedError } from '../lib/coded-error.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { EncodedVersion } from '../property/encoded-version.ts';
import type { ApplyOptions, ApplyResult, ShardCopy, StoredVersion } from '../shard-copy/shard-copy.ts';
import { applyBatchBytesMax, applyBatchRowsMax } from '../shard-copy/shard-copy.ts';
import type { CarryStep } from './carry-step.ts';
import { fetchWinners } from './fetch-winners.ts';
import { compareToPlanned } from './fetch-live.ts';
import type { PlanEntry, PlanLacker, PlannedShard } from './plan.ts';
import { Receiver } from './receiver.ts';
import { SlotProofs } from './slot-proofs.ts';
import { changeReason, type CopyReport, type RepairChange, type RepairProgress } from './report.ts';

export interface CarryOutOptions {
  /** Replacements of live properties that the user confirmed; null for none. */
  readonly confirmed: number | null;
  /** For a plan that was kept in a file: carry out only what still is as planned. */
  readonly onlyStanding: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onChange?: ((change: RepairChange) => void | Promise<void>) | undefined;
  readonly onProgress?: ((progress: RepairProgress) => void) | undefined;
}

/** Where it says what became of each copy, however it ended; `stale` where it was found out only here. */
export interface CarryOutTally {
  copies: readonly CopyReport[];
}

/** Carries out one shard. Throws when the run was cancelled or the plan does not fit; copies that fail are in the tally. */
export async function carryOut(
  shard: PlannedShard,
  copies: readonly ShardCopy[],
  options: CarryOutOptions,
  tally: CarryOutTally,
): Promise<void> {
  const run = new CarryOut(shard, copies, options);
  try {
    await run.run();
  } finally {
    await run.close();
    tally.copies = run.reports;
  }
}

/** Batches fetched before they are applied: a holder goes on reading while a receiver commits. */
const fetchedAheadMax = 2;

/** Batches given to the receivers and not yet durable: hides a round trip, and with those fetched stays within a few MiB. */
const applyingMax = 4;

interface Batch {
  readonly steps: readonly CarryStep[];
}

/** What was sent of a batch to one copy, and what became of it. */
interface Applied {
  readonly shipments: readonly Shipment[];
  readonly results: readonly ApplyResult[];
}

interface ApplyingBatch {
  readonly batch: Batch;
  readonly applied: Promise<readonly Applied[]>;
}

class CarryOut {
  #shard: PlannedShard;
  #copies: ReadonlyMap<string, ShardCopy>;
  #options: CarryOutOptions;
  #receivers: ReadonlyMap<string, Receiver>;
  /** Copies that failed as holders. */
  #failed = new Map<string, CodedError>();
  /** Copies that gave other than their tree says. */
  #movedOn = new Set<string>();
  #entitiesDone = 0;

  constructor(shard: PlannedShard, copies: readonly ShardCopy[], options: CarryOutOptions) {
    this.#shard = shard;
    this.#copies = new Map(copies.map((copy) => [copy.place, copy]));
    this.#options = options;
    const { settings, group } = shard.head;
    if (settings === null) {
      throw new CodedError('bad-argument', `no copy of group ${group} tells its shard count; name it`, {
        field: 'shards',
        value: null,
      });
    }
    const { confirmed, signal } = options;
    const applyOptions: ApplyOptions = { settings, confirmed, ...(signal && { signal }) };
    const changes = new Map(shard.counts.copies.map((copy) => [copy.place, copy.changes]));
    this.#receivers = new Map(
      copies.map((copy) => {
        const expected = changes.get(copy.place) ?? 0;
        return [copy.place, new Receiver(copy, { ...applyOptions, expected })];
      }),
    );
  }

  get reports(): CopyReport[] {
    return [...this.#receivers.values()].map(({ place, counts, failure, endedWell }) => ({
      place,
      ...counts,
      stale: this.#movedOn.has(place),
      awaitsBuild: !endedWell,
      error: failure ?? this.#failed.get(place) ?? null,
    }));
  }

  async run(): Promise<void> {
    const { signal, onlyStanding } = this.#options;
    this.#progress();
    const steps = fetchWinners(this.#shard.entries(signal), {
      copies: this.#copies,
      spelling: this.#shard.head.spelling,
      onlyStanding,
      failed: this.#failed,
      movedOn: this.#movedOn,
      proofs: new SlotProofs(),
      signal,
    });
    const batches = gatherBatches(steps);
    const fetching: ReturnType<typeof batches.next>[] = [];
    const applying: ApplyingBatch[] = [];
    try {
      for (;;) {
        while (fetching.length <= fetchedAheadMax) fetching.push(awaitedLater(batches.next()));
        const next = await fetching.shift();
        if (next === undefined || next.done) break;
        crashPoint('carry:fetched');
        applying.push({ batch: next.value, applied: awaitedLater(this.#apply(next.value)) });
        if (applying.length >= applyingMax) await this.#finish(applying.shift());
      }
      while (applying.length > 0) await this.#finish(applying.shift());
    } finally {
      // Not waited for: a holder that hangs must not hold up a cancelled run.
      batches.return(undefined).catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(
      [...this.#receivers.values()].map((receiver) => receiver[Symbol.asyncDispose]()),
    );
  }

  /** Gives a batch to the copies that lack it. Takes effect in call order at each copy. */
  async #apply({ steps }: Batch): Promise<readonly Applied[]> {
    const byReceiver = new Map<Receiver, Shipment[]>();
    for (const step of steps) {
      if (step.step !== 'ship') continue;
      for (const lacker of step.lackers) {
        const receiver = this.#receivers.get(lacker.place);
        if (receiver === undefined) {
          throw new CodedError('bad-plan', `there is no copy at ${lacker.place}`, { place: lacker.place });
        }
        const shipments = byReceiver.get(receiver) ?? [];
        shipments.push({ entry: step.entry, lacker, version: step.version });
        byReceiver.set(receiver, shipments);
      }
    }
    return await Promise.all(
      [...byReceiver].map(async ([receiver, shipments]) => ({
        shipments,
        results: await receiver.apply(shipments.map(({ version }) => version)),
      })),
    );
  }

  /** Waits for a batch and tells what became of it. */
  async #finish(applying: ApplyingBatch | undefined): Promise<void> {
    if (applying === undefined) return;
    const { steps } = applying.batch;
    const applied = await applying.applied;
    crashPoint('carry:applied');
    for (const step of steps) {
      if (step.step !== 'ship') await this.#notSent(step);
    }
    for (const { shipments, results } of this.#options.onChange === undefined ? [] : applied) {
      for (const [position, shipment] of shipments.entries()) await this.#tell(shipment, results[position]);
    }
    crashPoint('carry:told');
    this.#entitiesDone += new Set(steps.map(({ entry }) => entry.entity)).size;
    this.#progress();
  }

  async #notSent(step: Exclude<CarryStep, { step: 'ship' }>): Promise<void> {
    const { entry, lackers } = step;
    const result = notSentResults[step.step];
    for (const { place, before, heldBack } of lackers) {
      const counts = this.#receivers.get(place)?.counts;
      if (counts !== undefined) {
        counts[result === 'kept' ? 'kept' : 'failed']++;
        if (result === 'held back') counts.heldBack++;
      }
      const reason = step.step === 'hold' ? (heldBack ?? '') : step.reason;
      await this.#options.onChange?.({ ...named(entry), result, place, before, after: entry.winner, reason });
    }
  }

  async #tell({ entry, lacker, version }: Shipment, result: ApplyResult | undefined): Promise<void> {
    if (result === undefined) return;
    const { place, before } = lacker;
    const { spelling } = this.#shard.head;
    const asPlanned = entry.unproven === undefined && compareToPlanned(version, entry.winner, spelling) === 0;
    const { revision, deleteTime, digest } = version;
    const after = asPlanned ? entry.winner : { revision, deleteTime, digest };
    const told = { ...named(entry), place, before, after };
    switch (result.result) {
      case 'applied':
        return await this.#options.onChange?.({
          ...told,
          result: 'changed',
          reason: changeReason(before, after),
        });
      case 'kept':
        return await this.#options.onChange?.({
          ...told,
          result: 'kept',
          reason: 'has it, or a greater one, by now',
        });
      case 'refused':
        return await this.#options.onChange?.({
          ...told,
          result: result.heldBack === true ? 'held back' : 'failed',
          reason: result.reason,
        });
    }
  }

  #progress(): void {
    const { group, shard } = this.#shard.head;
    let bytes = 0;
    for (const { counts } of this.#receivers.values()) bytes += counts.bytes;
    this.#options.onProgress?.({
      phase: 'carry out',
      group,
      shard,
      slotsDone: 0,
      slotsTotal: 0,
      entitiesDone: this.#entitiesDone,
      entitiesTotal: this.#shard.counts.differing,
      bytes,
    });
  }
}

const notSentResults = { keep: 'kept', fail: 'failed', hold: 'held back' } as const;

/** A promise that is awaited in its turn, unless something else ends the run first. */
function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

interface Shipment {
  readonly entry: PlanEntry;
  readonly lacker: PlanLacker;
  readonly version: StoredVersion;
}

function named({ group, shard, entity }: PlanEntry): Pick<PlanEntry, 'group' | 'shard' | 'entity'> {
  return { group, shard, entity };
}

/** Gathers steps such that the versions of a batch keep to the ceilings of an apply. */
async function* gatherBatches(pages: AsyncIterable<readonly CarryStep[]>): AsyncGenerator<Batch, undefined> {
  let gathered: CarryStep[] = [];
  let bytes = 0;
  for await (const steps of pages) {
    for (const step of steps) {
      const more = step.step === 'ship' ? EncodedVersion.sizeOf(step.version) : 0;
      const full = gathered.length >= applyBatchRowsMax || bytes + more > applyBatchBytesMax;
      if (gathered.length > 0 && full) {
        yield { steps: gathered };
        gathered = [];
        bytes = 0;
      }
      gathered.push(step);
      bytes += more;
    }
  }
  if (gathered.length > 0) yield { steps: gathered };
  return undefined;
}
