/** Reads the newest versions from one copy, in pages, held to its promises: one answer per key, in the order asked. */
import { compareBytes } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { raceSignal } from '../lib/race-signal.ts';
import { sourceDigest } from '../property/digest.ts';
import { parseSource, type Spelling, spellProperty, unlikeDecidedIn } from '../property/source-json.ts';
import { compareVersions, digestHeadBytes, type Version } from '../property/version.ts';
import type { Fetched, ShardCopy, StoredVersion } from '../shard-copy/shard-copy.ts';
import { atPlace } from './at-place.ts';

/** Throws `bad-message` for wrong answers; every error names the place, except that the run was cancelled. */
export async function* fetchLive(
  copy: ShardCopy,
  keys: readonly Buffer[],
  signal?: AbortSignal,
): AsyncGenerator<readonly Fetched[]> {
  let answers: AsyncIterator<readonly Fetched[]> | null = null;
  let answered = 0;
  try {
    answers = copy.fetch(keys, signal)[Symbol.asyncIterator]();
    while (answered < keys.length) {
      const next = await raceSignal(answers.next(), signal);
      const page = next.done ? [] : next.value;
      const due = keys.slice(answered, answered + Math.max(1, page.length));
      if (page.length !== due.length || !due.every((key, at) => isOf(key, page[at]))) {
        throw new CodedError('bad-message', 'an answer to a fetch is missing or is about another entity', {
          key: due[0]?.toString('hex'),
        });
      }
      yield page;
      answered += page.length;
    }
  } catch (error) {
    throw atPlace(copy.place, error, signal);
  } finally {
    // Not waited for: a source that hangs must not hold up a cancelled run.
    answers?.return?.()?.catch(() => undefined);
  }
}

/** Gives `take` what the copy has of each of `asked`, in their order. Throws as {@link fetchLive}. */
export async function readLive<Asked extends { readonly key: Buffer }>(
  copy: ShardCopy,
  asked: readonly Asked[],
  take: (one: Asked, version: StoredVersion | null) => void,
  signal?: AbortSignal,
): Promise<void> {
  const keys = asked.map(({ key }) => key);
  let answered = 0;
  for await (const page of fetchLive(copy, keys, signal)) {
    for (const { version } of page) take(asked[answered++] as Asked, version);
  }
}

function isOf(key: Buffer, fetched: Fetched | undefined): boolean {
  if (fetched === undefined || compareBytes(fetched.key, key) !== 0) return false;
  return fetched.version === null || compareBytes(fetched.version.key, key) === 0;
}

/**
 * Digest of a version in `spelling`; its own digest where that is null, or where its source cannot be read
 * (who receives it will refuse it and say why).
 */
export function digestSpelled(version: StoredVersion, spelling: Spelling | null): Buffer {
  if (spelling === null) return version.digest;
  try {
    const text = spellProperty(parseSource(version.source), spelling);
    return text === version.source ? version.digest : sourceDigest(text, version.deleteTime);
  } catch (error) {
    if (error instanceof CodedError) return version.digest;
    throw error;
  }
}

/**
 * A version as it is to be sent: where digests of copies that spell unlike decide ties, it goes in the spelling that
 * decides, so that each receiver decides as the plan did. `spelling` is that of the plan's digests.
 */
export function spelledToSend(
  version: StoredVersion,
  planned: Version,
  spelling: Spelling | null,
): StoredVersion {
  if (spelling !== unlikeDecidedIn || isHead(planned.digest) || version.digest.equals(planned.digest))
    return version;
  try {
    const source = spellProperty(parseSource(version.source), spelling);
    if (source === version.source) return version;
    return { ...version, source, digest: sourceDigest(source, version.deleteTime) };
  } catch (error) {
    // Who receives it will refuse it and say why.
    if (error instanceof CodedError) return version;
    throw error;
  }
}

/** Whether only the head of a digest is known, as it is where all copies spell alike. */
function isHead(digest: Buffer): boolean {
  return digest.length === digestHeadBytes;
}

/**
 * The total order between a stored version and a planned one, whose digest is in `spelling`; zero where only the head
 * of that is known and is the same.
 */
export function compareToPlanned(stored: StoredVersion, planned: Version, spelling: Spelling | null): number {
  if (isHead(planned.digest)) {
    const { revision, deleteTime, digest } = stored;
    return compareVersions({ revision, deleteTime, digest: digest.subarray(0, digestHeadBytes) }, planned);
  }
  const order = compareVersions(stored, planned);
  // Digests in unlike spellings say nothing about each other; spelling anew costs, so only where it matters.
  if (order === 0 || stored.revision !== planned.revision || stored.deleteTime !== planned.deleteTime)
    return order;
  return compareBytes(digestSpelled(stored, spelling), planned.digest);
}
