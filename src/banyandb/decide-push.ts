/**
 * Whether a version may be pushed to a node, from what the node answered just before. A node's own rule is no join:
 * at equal revisions it takes whatever delete time comes, a live version over a tombstone too. So a live version
 * goes only where the answer was a smaller revision or none.
 */
import { sourceDigest } from '../property/digest.ts';
import type { Property } from '../property/property.ts';
import { parseSource, spellProperty } from '../property/source-json.ts';
import { compareVersions } from '../property/version.ts';
import { prepareIncoming, type PrepareTarget } from '../property-index/prepare-version.ts';
import type { StoredVersion } from '../shard-copy/shard-copy.ts';
import { whyNodeCannotTake } from './node-property.ts';
import { nodeSpelling } from './node-version.ts';

export type PushDecision =
  /**
   * `settle`: a tombstone meets a document of its revision, and two of one id stay unless that is settled: a live one
   * that the node turns into a second tombstone, or two tombstones that its own repair left, of which it answers one.
   */
  | { readonly push: 'push'; readonly settle: boolean; readonly replacesLive: boolean }
  | { readonly push: 'kept' }
  | { readonly push: 'hold back'; readonly reason: string };

export interface PushRules {
  /** Live versions of lesser revisions are not brought to a node that lacks the entity; null to bring all. */
  readonly oldestBroughtNs: bigint | null;
}

/** A version to be pushed, in our spelling of what nodes hold. */
export interface Candidate {
  readonly property: Property;
  readonly version: StoredVersion;
}

/** The version as it may be pushed, or why it is no sound version, or nothing that a node can take. */
export function checkCandidate(
  version: StoredVersion,
  target: PrepareTarget,
): Candidate | { readonly unsound: string } | { readonly heldBack: string } {
  const prepared = prepareIncoming(version, target);
  if (typeof prepared === 'string') return { unsound: prepared };
  const property = parseSource(version.source);
  const reason = whyNodeCannotTake(property);
  return reason === null ? candidateOf(property, version) : { heldBack: reason };
}

/** The version with its source and digest as {@link nodeSpelling} has them. */
export function candidateOf(property: Property, version: StoredVersion): Candidate {
  const source = spellProperty(property, nodeSpelling);
  if (source === version.source) return { property, version };
  return { property, version: { ...version, source, digest: sourceDigest(source, version.deleteTime) } };
}

export function decidePush(
  own: StoredVersion | null,
  { version }: Candidate,
  rules: PushRules,
): PushDecision {
  const { revision, deleteTime } = version;
  if (own === null) {
    const { oldestBroughtNs } = rules;
    if (deleteTime !== 0n || oldestBroughtNs === null || revision >= oldestBroughtNs) {
      return { push: 'push', settle: false, replacesLive: false };
    }
    const reason =
      'it is live, older than the cluster keeps deletes, and absent here, so it may have been deleted ' +
      'and its tombstone swept; --bring-old brings it all the same';
    return { push: 'hold back', reason };
  }
  if (compareVersions(own, version) >= 0) return { push: 'kept' };
  if (own.revision === revision && own.deleteTime === deleteTime) {
    const reason =
      'other content at the same revision and delete time, which no push mends; write it anew through the cluster';
    return { push: 'hold back', reason };
  }
  const live = own.deleteTime === 0n;
  return { push: 'push', settle: own.revision === revision, replacesLive: live };
}
