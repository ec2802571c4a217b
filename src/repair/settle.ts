/**
 * Decides the winners of differences. Between our own copies leaves alone say it. Where a leaf does not tell
 * its version, or a tie would be decided by digests that the copies spell otherwise, the versions are fetched
 * first; what then turns out to be the same content in another spelling is no difference.
 */
import type { Difference } from '../diff/diff-leaves.ts';
import { resolve, tellsVersion } from '../diff/resolve.ts';
import type { Spelling } from '../property/source-json.ts';
import type { Version } from '../property/version.ts';
import type { Leaf, ShardCopy, SlotSummary, StoredVersion } from '../shard-copy/shard-copy.ts';
import { digestSpelled, readLive } from './fetch-live.ts';

/** Differences settled together, so that fetches come in batches. */
export const settleBatch = 200;

export interface SettledDifference {
  readonly key: Buffer;
  /** Per copy, digests in the spelling of the comparison; null where absent. */
  readonly versions: readonly (Version | null)[];
  /** Per copy, what was read of it to settle this; null where nothing was, or it has nothing. Empty where nothing was read. */
  readonly stored: readonly (StoredVersion | null)[];
  readonly winner: Version;
  /** Positions of the copies that have it, ascending. */
  readonly winners: readonly number[];
  /** Where the winner's digest is a head: the slot it is of. */
  readonly unproven?: SlotSummary;
}

export interface SettleOptions {
  readonly copies: readonly ShardCopy[];
  /**
   * Per copy: its leaves tell no versions. What it has is always fetched, also where its tree has nothing, since such
   * a tree may be of long ago.
   */
  readonly untelling: readonly boolean[];
  /** Of the digests compared. */
  readonly spelling: Spelling | null;
  /** Of the digests that decide a tie. */
  readonly deciding: Spelling | null;
  readonly signal?: AbortSignal | undefined;
}

export interface SettledBatch {
  readonly settled: readonly SettledDifference[];
  /** Differences that were none: the same content, spelled otherwise. */
  readonly otherSpelling: number;
  /** Positions of the untelling copies whose tree is not what they have by now; ascending. */
  readonly behind: readonly number[];
  /** Differences of which no copy has anything to give, though trees have them. */
  readonly unanswered: readonly Difference[];
}

/** A version as the comparison sees it: a leaf, or what was fetched in its place. */
interface Candidate extends Version {
  readonly fetched?: {
    /** Decides ties. */
    readonly decidingDigest: Buffer;
    readonly stored: StoredVersion;
  };
}

interface Open {
  readonly key: Buffer;
  readonly leaves: readonly (Leaf | null)[];
  readonly unproven: SlotSummary | undefined;
  readonly candidates: (Candidate | null)[];
}

/** Settles a batch; `settled` keeps its order. Errors of a fetch name the place. */
export async function settleDifferences(
  batch: readonly Difference[],
  options: SettleOptions,
): Promise<SettledBatch> {
  const { spelling, deciding, untelling } = options;
  const open = batch.map(
    ({ key, leaves, unproven }): Open => ({ key, leaves, unproven, candidates: leaves.map(leafCandidate) }),
  );
  const untold = (one: Open, copy: number): boolean => {
    const leaf = one.leaves[copy] ?? null;
    return untelling[copy] === true || (leaf !== null && !tellsVersion(leaf));
  };
  await fetchCandidates(open, untold, options);
  // Only now is it known which of them tie.
  const unsure = open.filter(
    (one) => spelling !== deciding || one.leaves.some((_, copy) => untold(one, copy)),
  );
  const tied = new Map(unsure.map((one) => [one, tieAtTop(one)]));
  await fetchCandidates(
    open,
    (one, copy) => !untold(one, copy) && (tied.get(one)?.has(copy) ?? false),
    options,
  );
  const settled: SettledDifference[] = [];
  const unanswered: Difference[] = [];
  const behind = new Set<number>();
  let otherSpelling = 0;
  const copiesUntelling = [...untelling.keys()].filter((copy) => untelling[copy]);
  for (const [position, one] of open.entries()) {
    const old = copiesUntelling.filter((copy) => isBehind(one, copy));
    for (const copy of old) behind.add(copy);
    const difference = settleOne(one);
    if (difference !== null) settled.push(difference);
    else if (one.candidates.every((candidate) => candidate === null))
      unanswered.push(batch[position] as Difference);
    else if (old.length === 0) otherSpelling++;
  }
  return { settled, otherSpelling, behind: [...behind].sort((a, b) => a - b), unanswered };
}

/** Whether a copy's tree is not of what the copy has now, in whatever spelling. */
function isBehind({ leaves, candidates }: Open, copy: number): boolean {
  const leaf = leaves[copy] ?? null;
  const stored = candidates[copy]?.fetched?.stored ?? null;
  if (leaf === null || stored === null) return leaf !== stored;
  return spellings.every((spelling) => !digestSpelled(stored, spelling).equals(leaf.digest));
}

const spellings: readonly Spelling[] = ['compact', 'spaced'];

function leafCandidate(leaf: Leaf | null): Candidate | null {
  return leaf !== null && tellsVersion(leaf) ? leaf : null;
}

/** Positions of copies whose candidates share the greatest revision and delete time but not the digest. */
function tieAtTop({ candidates }: Open): Set<number> {
  const present = candidates.filter((candidate) => candidate !== null);
  const top = present.reduce<Candidate | null>(
    (best, next) => (best && compareTimes(best, next) >= 0 ? best : next),
    null,
  );
  const tied = new Set(
    candidates.flatMap((next, copy) => (top && next && compareTimes(next, top) === 0 ? [copy] : [])),
  );
  const digests = new Set([...tied].map((copy) => candidates[copy]?.digest.toString('latin1')));
  return digests.size > 1 ? tied : new Set();
}

async function fetchCandidates(
  open: readonly Open[],
  wanted: (one: Open, copy: number) => boolean,
  { copies, spelling, deciding, signal }: SettleOptions,
): Promise<void> {
  await Promise.all(
    copies.map(async (copy, position) => {
      const asked = open.filter((one) => wanted(one, position));
      if (asked.length === 0) return;
      const take = ({ candidates }: Open, version: StoredVersion | null): void => {
        // The live version may be newer than the leaf: then it is what this copy has.
        candidates[position] = version && {
          revision: version.revision,
          deleteTime: version.deleteTime,
          digest: digestSpelled(version, spelling),
          fetched: { decidingDigest: digestSpelled(version, deciding), stored: version },
        };
      };
      await readLive(copy, asked, take, signal);
    }),
  );
}

function settleOne(one: Open): SettledDifference | null {
  const { key, candidates } = one;
  const fetched = candidates.some((candidate) => candidate?.fetched !== undefined);
  const decided = resolve(fetched ? decidingCandidates(one) : candidates);
  const winner = decided === null ? null : (candidates[decided.winners[0] ?? -1] ?? null);
  if (decided === null || winner === null || decided.winners.length === candidates.length) return null;
  const stored = fetched ? candidates.map((candidate) => candidate?.fetched?.stored ?? null) : [];
  const { winners } = decided;
  return one.unproven === undefined
    ? { key, versions: candidates, stored, winner, winners }
    : { key, versions: candidates, stored, winner, winners, unproven: one.unproven };
}

/** The candidates with the digests that decide: where all that tie were fetched, those. */
function decidingCandidates(one: Open): (Version | null)[] {
  const tied = tieAtTop(one);
  const known = [...tied].every((copy) => one.candidates[copy]?.fetched);
  return one.candidates.map((candidate, copy) => {
    if (candidate === null) return null;
    const { revision, deleteTime, digest, fetched } = candidate;
    const deciding = known && tied.has(copy) ? fetched?.decidingDigest : undefined;
    return { revision, deleteTime, digest: deciding ?? digest };
  });
}

function compareTimes(a: Version, b: Version): number {
  if (a.revision !== b.revision) return a.revision < b.revision ? -1 : 1;
  if (a.deleteTime !== b.deleteTime) return a.deleteTime < b.deleteTime ? -1 : 1;
  return 0;
}
