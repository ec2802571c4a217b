/** One step of carrying out a plan, and what the steps are made from. */
import type { CodedError } from '../lib/coded-error.ts';
import type { Spelling } from '../property/source-json.ts';
import type { ShardCopy, StoredVersion } from '../shard-copy/shard-copy.ts';
import type { PlanEntry, PlanLacker } from './plan.ts';
import type { SlotProofs } from './slot-proofs.ts';

/** What is to be done for one entry, or why nothing is. */
export type CarryStep = { readonly entry: PlanEntry; readonly lackers: readonly PlanLacker[] } & (
  | { readonly step: 'ship'; readonly version: StoredVersion }
  /** Each of the copies has its reason. */
  | { readonly step: 'hold' }
  | { readonly step: 'keep' | 'fail'; readonly reason: string }
);

export interface FetchContext {
  readonly copies: ReadonlyMap<string, ShardCopy>;
  /** Spelling of the plan's digests. */
  readonly spelling: Spelling | null;
  /** Whether an entry is carried out only where everything still is as planned. */
  readonly onlyStanding: boolean;
  /** Copies that failed in this run, which are not asked again; filled as they fail. */
  readonly failed: Map<string, CodedError>;
  /** Copies that no longer had what their tree says; filled as they answer. */
  readonly movedOn: Set<string>;
  readonly proofs: SlotProofs;
  readonly signal?: AbortSignal | undefined;
}

/** Why an entry of a kept plan is not carried out. */
export const changedSincePlan = 'changed since the plan';
