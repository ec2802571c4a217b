/**
 * What copies would not take of the winners they lack, found while planning: so a plan and a dry run say it, and nothing
 * of it is tried. What a copy does not take for another reason shows when it is applied.
 */
import type { ShardCopy, StoredVersion } from '../shard-copy/shard-copy.ts';
import { compareToPlanned, readLive } from './fetch-live.ts';
import type { SettledDifference, SettleOptions } from './settle.ts';

/** By position of a copy why a winner is held back there. */
export type HeldBack = ReadonlyMap<number, string>;

/** One for each of `settled`, in order, or none at all. Values that no settling has read are read from a copy that has them. */
export async function findHeldBack(
  settled: readonly SettledDifference[],
  options: Pick<SettleOptions, 'copies' | 'spelling' | 'signal'>,
): Promise<HeldBack[]> {
  const { copies } = options;
  if (copies.every(({ whyHeldBack }) => whyHeldBack === undefined)) return [];
  const asking = settled.map(({ winners }) =>
    copies.flatMap((copy, at) => (copy.whyHeldBack === undefined || winners.includes(at) ? [] : [at])),
  );
  const winning = await readWinners(
    settled.filter((_, position) => (asking[position] ?? []).length > 0),
    options,
  );
  return settled.map((difference, position) => {
    const version = winning.get(difference) ?? null;
    const heldBack = new Map<number, string>();
    for (const at of version === null ? [] : (asking[position] ?? [])) {
      const own = difference.stored[at] ?? null;
      const reason = version === null ? null : (copies[at]?.whyHeldBack?.(version, own) ?? null);
      if (reason !== null) heldBack.set(at, reason);
    }
    return heldBack;
  });
}

async function readWinners(
  settled: readonly SettledDifference[],
  { copies, spelling, signal }: Pick<SettleOptions, 'copies' | 'spelling' | 'signal'>,
): Promise<Map<SettledDifference, StoredVersion>> {
  const found = new Map<SettledDifference, StoredVersion>();
  const unread = new Map<ShardCopy, SettledDifference[]>();
  for (const difference of settled) {
    const read = difference.winners.map((at) => difference.stored[at] ?? null).find((one) => one !== null);
    const holder = copies[difference.winners[0] ?? -1];
    if (read !== undefined) found.set(difference, read);
    else if (holder !== undefined) unread.set(holder, [...(unread.get(holder) ?? []), difference]);
  }
  for (const [holder, asked] of unread) {
    const take = (difference: SettledDifference, version: StoredVersion | null): void => {
      // What has changed since is looked at again when it is applied.
      if (version !== null && compareToPlanned(version, difference.winner, spelling) === 0)
        found.set(difference, version);
    };
    await readLive(holder, asked, take, signal);
  }
  return found;
}
