/**
 * Opens the views of all copies of a shard such that they can be compared: all in one spelling. Copies that
 * spell unlike are compared in the spelling that every other can give its leaves in.
 */
import { CodedError } from '../lib/coded-error.ts';
import { raceSignal } from '../lib/race-signal.ts';
import type { PlacedView } from '../diff/diff-slots.ts';
import { type Spelling, unlikeDecidedIn } from '../property/source-json.ts';
import type { ShardCopy, ShardView, ViewOptions } from '../shard-copy/shard-copy.ts';
import { atPlace } from './at-place.ts';

export interface ComparableViews {
  /** One per copy, in order. */
  readonly views: readonly PlacedView[];
  /** Per copy: its leaves are given in another spelling than its own. */
  readonly respelled: readonly boolean[];
  /** In which digests are compared; null where no copy tells. */
  readonly spelling: Spelling | null;
  /** In which copies of ours spell: of those that spell unlike, the ones that were respelled. */
  readonly own: Spelling | null;
  /**
   * In which a tie of revision and delete time is decided: where copies spell unlike, as every copy decides when
   * it applies a version that comes in another spelling than its own (property-index/index-writer.ts).
   */
  readonly deciding: Spelling | null;
  /** Per copy: its tree is a foreign one, whose leaves tell no versions. */
  readonly untelling: readonly boolean[];
}

function tellsNoVersions({ view }: PlacedView): boolean {
  const { generation, watermark, slotScheme, liveLeaves } = view.description;
  // An absent group of ours has none of them either, but says that nothing in it is live.
  return generation === null && watermark === null && slotScheme === null && liveLeaves === null;
}

/** Opens them all; the caller closes them with {@link closeViews}. Errors name the place. */
export async function openComparableViews(
  copies: readonly ShardCopy[],
  signal?: AbortSignal,
): Promise<ComparableViews> {
  const own = await openAll(
    copies,
    copies.map(() => undefined),
    signal,
  );
  const spellings = own.map(({ view }) => view.description.spelling);
  const told = [...new Set(spellings.filter((spelling) => spelling !== null))];
  const [only] = told;
  if (told.length < 2) {
    const spelling = only ?? null;
    const respelled = copies.map(() => false);
    const untelling = own.map(tellsNoVersions);
    return { views: own, respelled, spelling, own: spelling, deciding: spelling, untelling };
  }
  await closeViews(own, signal);
  let refusal: CodedError | null = null;
  for (const [spelling, other] of [
    ['compact', 'spaced'],
    ['spaced', 'compact'],
  ] as const) {
    const respelled = spellings.map((was) => was !== null && was !== spelling);
    try {
      const views = await openAll(
        copies,
        respelled.map((asked) => (asked ? spelling : undefined)),
        signal,
      );
      const untelling = views.map(tellsNoVersions);
      return { views, respelled, spelling, own: other, deciding: unlikeDecidedIn, untelling };
    } catch (error) {
      const coded = CodedError.from(error);
      if (coded.code !== 'spelling-differs') throw error;
      refusal = coded;
    }
  }
  throw refusal ?? new CodedError('spelling-differs', 'the copies cannot be compared in one spelling');
}

/** Closes views, all of them whatever some say: one that cannot be closed is given up by who holds it. */
export async function closeViews(views: readonly PlacedView[], signal?: AbortSignal): Promise<void> {
  await raceSignal(Promise.allSettled(views.map(({ view }) => view[Symbol.asyncDispose]())), signal);
}

async function openAll(
  copies: readonly ShardCopy[],
  spellings: readonly (Spelling | undefined)[],
  signal?: AbortSignal,
): Promise<PlacedView[]> {
  const opened = await Promise.allSettled(
    copies.map((copy, position) => openOne(copy, spellings[position], signal)),
  );
  const views = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = opened.find((result) => result.status === 'rejected');
  if (failed === undefined) return views;
  await closeViews(views, signal);
  throw failed.reason;
}

async function openOne(
  copy: ShardCopy,
  spelling: Spelling | undefined,
  signal?: AbortSignal,
): Promise<PlacedView> {
  const options: ViewOptions = { ...(spelling && { spelling }), ...(signal && { signal }) };
  const opening: Promise<ShardView> = copy.openView(options);
  try {
    return { place: copy.place, view: await raceSignal(opening, signal) };
  } catch (error) {
    // A view that opens after its run was cancelled has no owner any more; a failure is the one thrown here.
    opening.then(
      (view) => view[Symbol.asyncDispose](),
      () => undefined,
    );
    throw atPlace(copy.place, error, signal);
  }
}
