/**
 * What a repair would change, entity by entity, and its text form: NDJSON, for a plan file that
 * people keep (a run that carries its plan out at once has a form of its own, run-plan.ts). A plan is a head line, per shard a shard
 * line, its entries and a shard-end line with counts, and a last line with the SHA-256 of all bytes before
 * it; so a plan that was cut or edited is refused as a whole.
 */
import { toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { replacesLive } from '../property/replacement-allowance.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import type { Spelling } from '../property/source-json.ts';
import type { Version } from '../property/version.ts';
import type { SlotSummary } from '../shard-copy/shard-copy.ts';

export const planFormat = 'tallystick-plan';
export const planFormatVersion = 2;

/** Entries of a plan read at a time: few to hold, and enough that a page costs next to nothing beside its entries. */
export const planPageEntries = 200;

export interface PlanHead {
  readonly places: readonly string[];
  /** ISO 8601 time. */
  readonly createdAt: string;
}

/** One copy of a planned shard, as its view described it. */
export interface PlanCopy {
  readonly place: string;
  readonly leaves: number;
  /** Null where the copy does not tell. */
  readonly liveLeaves: number | null;
}

export interface PlanShardHead {
  readonly group: string;
  readonly shard: number;
  /** Settings with which an absent group is created; null where no copy tells the shard count. */
  readonly settings: GroupSettings | null;
  /** Spelling of the plan's digests; null where no copy tells it. */
  readonly spelling: Spelling | null;
  readonly copies: readonly PlanCopy[];
}

/** A copy that lacks the winner, and what it has instead. */
export interface PlanLacker {
  readonly place: string;
  /** Null where the entity is absent. */
  readonly before: Version | null;
  /** Why the winner is not sent here, with what would help. */
  readonly heldBack?: string;
}

/** One differing entity. */
export interface PlanEntry {
  readonly group: string;
  readonly shard: number;
  /** Joined: GROUP/NAME/ID. */
  readonly entity: string;
  readonly winner: Version;
  /** Places that have the winner, at least one. */
  readonly holders: readonly string[];
  readonly lackers: readonly PlanLacker[];
  /**
   * Where the winner's digest is a head of {@link digestHeadBytes}: its slot as the holders announced it, which the
   * values that are fetched have to make (slot-proofs.ts). Only within a run: a plan that is kept has whole digests.
   */
  readonly unproven?: SlotSummary;
}

/** What the plan would do to one copy. */
export interface PlanCopyCounts {
  readonly place: string;
  readonly changes: number;
  /** Winners that are not sent there. */
  readonly heldBack: number;
  /** Live properties that would give way to a tombstone or to other content: what the fuse counts. */
  readonly replacedLive: number;
}

export interface PlanShardCounts {
  readonly differing: number;
  readonly copies: readonly PlanCopyCounts[];
}

type Counted = Exclude<keyof PlanCopyCounts, 'place'>;

/** Takes a plan as it is made. */
export interface PlanSink {
  startShard(head: PlanShardHead): Promise<void>;
  add(entries: readonly PlanEntry[]): Promise<void>;
  /** Ends the shard. One whose planning failed is not `complete`: its entries are never carried out. */
  endShard(complete: boolean): Promise<PlanShardCounts>;
}

/** One shard of a plan that was made. */
export interface PlannedShard {
  readonly head: PlanShardHead;
  readonly counts: PlanShardCounts;
  /** False where planning the shard failed: it has no entries to carry out. */
  readonly complete: boolean;
  /** Pages of its entries, in the order planned, of at most {@link planPageEntries}. */
  entries(signal?: AbortSignal): AsyncGenerator<readonly PlanEntry[]>;
}

/** Adds up the counts of one shard entry by entry; writer and reader of a plan both use it. */
export class PlanTally {
  #differing = 0;
  readonly #copies: Map<string, { -readonly [Name in Counted]: number }>;

  constructor(copies: readonly PlanCopy[]) {
    this.#copies = new Map(copies.map(({ place }) => [place, { changes: 0, heldBack: 0, replacedLive: 0 }]));
  }

  /** Throws `bad-plan` for a place that the shard does not have. */
  add(entry: PlanEntry): void {
    this.#differing++;
    for (const holder of entry.holders) this.#copy(holder);
    for (const { place, before, heldBack } of entry.lackers) {
      const copy = this.#copy(place);
      if (heldBack !== undefined) copy.heldBack++;
      else {
        copy.changes++;
        if (replacesLive(before)) copy.replacedLive++;
      }
    }
  }

  get counts(): PlanShardCounts {
    const copies = [...this.#copies].map(([place, counts]) => ({ place, ...counts }));
    return { differing: this.#differing, copies };
  }

  #copy(place: string): { -readonly [Name in Counted]: number } {
    const copy = this.#copies.get(place);
    if (copy === undefined) throw new CodedError('bad-plan', `the shard has no copy at ${place}`, { place });
    return copy;
  }
}

/** JSON form of a version: int64 as decimal strings, digest as lowercase hex. */
export function versionToJson(version: Version): { revision: string; deleteTime: string; digest: string } {
  const { revision, deleteTime, digest } = version;
  return { revision: String(revision), deleteTime: String(deleteTime), digest: toHex(digest) };
}

/** JSON form of an entry, as it stands in a plan. */
export function entryToJson(entry: PlanEntry): Record<string, unknown> {
  const lackers = entry.lackers.map((lacker) => ({
    ...lacker,
    before: lacker.before && versionToJson(lacker.before),
  }));
  return { ...entry, winner: versionToJson(entry.winner), lackers };
}
