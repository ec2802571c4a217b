/** Matches the shards that members offer by group and number, so that each is compared over all its copies. */
import { CodedError } from '../lib/coded-error.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import type { LostMember, Member, Offer, OfferedGroup } from './member.ts';

export interface Narrowing {
  readonly group?: string | undefined;
  readonly shard?: number | undefined;
}

/** A member with what it offers. */
export interface AskedMember {
  readonly member: Member;
  readonly offer: Offer;
}

/**
 * The copies of each shard that is meant, in the members' order; a member without the shard has none.
 * Throws `not-found` where nobody has the group or shard, `settings-differ`, and `bad-argument`, also for members
 * that turn out to be one replica.
 */
export function matchMembers(asked: readonly AskedMember[], narrowing: Narrowing): ShardCopies[] {
  checkReplicas(asked);
  const names = new Set(asked.flatMap(({ offer }) => offer.groups.map(({ group }) => group)));
  const wanted = [...names].filter((group) => narrowing.group === undefined || group === narrowing.group);
  const places = asked.map(({ member }) => member.place).join(', ');
  if (wanted.length === 0) {
    const one = narrowing.shard === undefined ? '' : `shard ${narrowing.shard} of `;
    const what = narrowing.group === undefined ? 'a group' : `${one}group ${narrowing.group}`;
    throw new CodedError('not-found', `none of the places has ${what}: ${places}`, {
      field: 'group',
      value: narrowing.group ?? null,
    });
  }
  const targets = wanted
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .flatMap((group) => matchGroup(group, asked))
    .filter(({ shard }) => narrowing.shard === undefined || shard === narrowing.shard);
  if (targets.length > 0) return targets;
  throw new CodedError('not-found', `none of the places has shard ${narrowing.shard}: ${places}`, {
    field: 'shard',
    value: narrowing.shard ?? null,
  });
}

/** Who has a copy of a shard by the cluster's registry and is none of the members. */
export interface AbsentHolder {
  readonly group: string;
  readonly shard: number;
  readonly name: string;
}

/** What was matched says nothing of these. `lost` are members that could not be asked, and are told as such. */
export function absentHolders(
  targets: readonly ShardCopies[],
  asked: readonly AskedMember[],
  lost: readonly LostMember[],
): AbsentHolder[] {
  const known = new Set([
    ...asked.flatMap(({ member }) => [member.place, member.name]),
    ...lost.flatMap(({ member }) => [member.place, member.name]),
  ]);
  return targets.flatMap(({ group, shard }) => {
    const holders = asked
      .map(({ offer }) => offer.holders?.(group, shard) ?? null)
      .find((told) => told !== null);
    return [...(holders ?? [])].filter((name) => !known.has(name)).map((name) => ({ group, shard, name }));
  });
}

/** Says so of one. */
export function readableAbsent({ group, shard }: Pick<AbsentHolder, 'group' | 'shard'>): string {
  return `has a copy of group ${group}, shard ${shard} by the cluster's registry, and was not named`;
}

// A replica that is compared with itself, by another of its addresses or by its data root, would be called equal.
function checkReplicas(asked: readonly AskedMember[]): void {
  const places = new Map<bigint, string>();
  for (const { member, offer } of asked) {
    const { instance = null } = offer;
    if (instance === null) continue;
    const before = places.get(instance);
    if (before !== undefined) {
      const message = `a place is named twice: ${before} and ${member.place} are one replica`;
      throw new CodedError('bad-argument', message, { field: 'places', value: member.place });
    }
    places.set(instance, member.place);
  }
}

function matchGroup(group: string, asked: readonly AskedMember[]): ShardCopies[] {
  const found = asked.map(({ member, offer }) => ({
    member,
    offer,
    offered: offer.groups.find((offered) => offered.group === group) ?? null,
  }));
  checkShardCounts(group, found);
  const told = new Set(found.flatMap(({ offered }) => offered?.offered ?? []));
  const shards = told.size === 0 ? [0] : [...told].sort((a, b) => a - b);
  // A place that does not tell its shard can only be of the one that all others offer.
  const untold = found.find(({ offered }) => offered !== null && offered.offered === null);
  if (untold !== undefined && shards.length > 1) {
    const message = `nothing tells which shard of group ${group} ${untold.member.place} is of; use --shard`;
    throw new CodedError('bad-argument', message, { field: 'shard', place: untold.member.place });
  }
  return shards.map((shard) => ({
    group,
    shard,
    copies: found
      .filter(({ offer, offered }) =>
        offered === null ? offer.holds(group, shard) : (offered.offered?.includes(shard) ?? true),
      )
      .map(({ member }) => member.copy(group, shard)),
  }));
}

function checkShardCounts(
  group: string,
  found: readonly { readonly member: Member; readonly offered: OfferedGroup | null }[],
): void {
  let first: { place: string; shards: number } | undefined;
  for (const { member, offered } of found) {
    const shards = offered?.shards ?? null;
    if (shards === null) continue;
    first ??= { place: member.place, shards };
    if (first.shards === shards) continue;
    throw new CodedError(
      'settings-differ',
      `group ${group} has ${first.shards} shards at ${first.place} but ${shards} at ${member.place}`,
      { group, field: 'shards', places: [first.place, member.place], values: [first.shards, shards] },
    );
  }
}
