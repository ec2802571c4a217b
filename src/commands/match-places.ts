/** Matches the groups and shards that places offer, so that each shard is compared over all of them. */
import { CodedError } from '../lib/coded-error.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import type { OfferedGroup, Place } from './places.ts';

export interface Narrowing {
  readonly group?: string | undefined;
  readonly shard?: number | undefined;
}

interface Offer {
  readonly place: Place;
  /** Null where the group is absent: a copy with nothing in it. */
  readonly offered: OfferedGroup | null;
}

/** A copy of every place for each shard that is meant, by group and shard. Throws `not-found`, `settings-differ`, `bad-argument`. */
export async function matchPlaces(places: readonly Place[], narrowing: Narrowing): Promise<ShardCopies[]> {
  const offers = await Promise.all(places.map(async (place) => ({ place, groups: await place.groups() })));
  const names = new Set(offers.flatMap(({ groups }) => groups.map(({ group }) => group)));
  const wanted = [...names].filter((group) => narrowing.group === undefined || group === narrowing.group);
  if (wanted.length === 0) {
    const what = narrowing.group === undefined ? 'a group' : `group ${narrowing.group}`;
    throw new CodedError('not-found', `none of the places has ${what}: ${places.map(({ name }) => name).join(', ')}`, {
      field: 'group',
      value: narrowing.group ?? null,
    });
  }
  const byBytes = wanted.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return byBytes.flatMap((group) => {
    const matching = offers.map(({ place, groups }) => ({
      place,
      offered: groups.find((offered) => offered.group === group) ?? null,
    }));
    return shardsOf(group, matching, narrowing.shard).map((shard) => ({
      group,
      shard,
      copies: places.map((place) => place.copy(group, shard)),
    }));
  });
}

function shardsOf(group: string, offers: readonly Offer[], narrowed: number | undefined): number[] {
  checkShardCounts(group, offers);
  const lists = offers.flatMap(({ place, offered }) => (offered?.offered ? [{ place, shards: offered.offered }] : []));
  // A place that does not tell its shard can only be of the one that all others offer.
  const untold = offers.find(({ offered }) => offered !== null && offered.offered === null);
  const first = lists[0]?.shards ?? [0];
  const common = first.filter((shard) => lists.every(({ shards }) => shards.includes(shard)));
  if (untold !== undefined && common.length !== 1) {
    throw new CodedError('bad-argument', `nothing tells which shard of group ${group} ${untold.place.name} is of; use --shard`, {
      field: 'shard',
      place: untold.place.name,
    });
  }
  if (common.length === 0) {
    const told = lists.map(({ place, shards }) => `${place.name}: ${shards.join(', ')}`).join('; ');
    throw new CodedError('bad-argument', `the places offer no shard of group ${group} in common (${told})`, { group });
  }
  if (narrowed === undefined) return common;
  if (!common.includes(narrowed)) {
    throw new CodedError('not-found', `group ${group} has no shard ${narrowed} at these places`, { field: 'shard', value: narrowed });
  }
  return [narrowed];
}

function checkShardCounts(group: string, offers: readonly Offer[]): void {
  let first: { name: string; shards: number } | undefined;
  for (const { place, offered } of offers) {
    const shards = offered?.shards ?? null;
    if (shards === null) continue;
    first ??= { name: place.name, shards };
    if (first.shards === shards) continue;
    throw new CodedError(
      'settings-differ',
      `group ${group} has ${first.shards} shards at ${first.name} but ${shards} at ${place.name}`,
      { group, field: 'shards', places: [first.name, place.name], values: [first.shards, shards] },
    );
  }
}
