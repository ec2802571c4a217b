/** Which copies belong together, and which shards the listings alone show to agree. */
import { expect, test } from 'vitest';
import { listedEqual } from '../../../src/round/listed-equal.ts';
import { type AskedMember, matchMembers } from '../../../src/round/match-members.ts';
import { MemoryMember, type MemoryMemberOptions, placesOf } from '../../support/memory-member.ts';
import { MemoryShardCopy, type MemoryShardCopyOptions } from '../../support/memory-shard-copy.ts';
import { copyOf, many } from '../../support/repairing.ts';

async function asked(members: readonly MemoryMember[]): Promise<AskedMember[]> {
  return await Promise.all(members.map(async (member) => ({ member, offer: await member.offer() })));
}

const member = (
  place: string,
  copies: MemoryShardCopyOptions[],
  options: Partial<MemoryMemberOptions> = {},
): MemoryMember =>
  new MemoryMember(place, {
    copies: copies.map((copy) => new MemoryShardCopy({ place, ...copy })),
    ...options,
  });

const codeOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test('shards are matched by group and number, groups in byte order, members in theirs', async () => {
  const settings = { shards: 2 };
  const all = await asked([
    member('one', [
      { group: 'b', shard: 1, settings },
      { group: 'b', shard: 0, settings },
    ]),
    member('two', [
      { group: 'Z', shard: 0 },
      { group: 'b', shard: 0, settings },
    ]),
  ]);
  expect(placesOf(matchMembers(all, {}))).toEqual(['Z/0: one two', 'b/0: one two', 'b/1: one']);
  expect(placesOf(matchMembers(all, { group: 'b', shard: 1 }))).toEqual(['b/1: one']);
  expect(codeOf(() => matchMembers(all, { group: 'c' }))).toBe('not-found');
  expect(codeOf(() => matchMembers(all, { shard: 2 }))).toBe('not-found');
});

test('a member that says a shard of an absent group is none of its has no copy of it', async () => {
  const all = await asked([member('one', [{ group: 'b' }]), member('two', [], { holds: () => false })]);
  expect(placesOf(matchMembers(all, {}))).toEqual(['b/0: one']);
});

test('other shard counts are an error, unknown ones are not', async () => {
  const two = { group: 'b', settings: { shards: 2 } };
  expect(codeOf(() => matchMembers([], {}))).toBe('not-found');
  const unlike = await asked([member('one', [{ group: 'b' }]), member('two', [two])]);
  expect(codeOf(() => matchMembers(unlike, {}))).toBe('settings-differ');
  const unknown = await asked([member('one', [{ group: 'b' }], { shards: null }), member('two', [two])]);
  expect(placesOf(matchMembers(unknown, {}))).toEqual(['b/0: one two']);
});

test('a member that does not tell its shard is of the one that all others offer', async () => {
  const untold = { offered: null, shards: null };
  const one = await asked([
    member('one', [{ group: 'b' }], untold),
    member('two', [{ group: 'b', shard: 0 }]),
  ]);
  expect(placesOf(matchMembers(one, {}))).toEqual(['b/0: one two']);
  const settings = { shards: 2 };
  const several = await asked([
    member('one', [{ group: 'b' }], untold),
    member('two', [
      { group: 'b', shard: 0, settings },
      { group: 'b', shard: 1, settings },
    ]),
  ]);
  expect(codeOf(() => matchMembers(several, {}))).toBe('bad-argument');
});

test('equal listed roots of like trees are equal; anything less is compared', async () => {
  const listed = async (copies: readonly MemoryShardCopy[], listsTrees = true) => {
    const all = await asked(
      copies.map((copy) => new MemoryMember(copy.place, { copies: [copy], listsTrees })),
    );
    const [target] = matchMembers(all, {});
    return listedEqual(target!, all);
  };
  const equal = await listed([copyOf('a', many(5)), copyOf('b', many(5)), copyOf('c', many(5))]);
  expect(equal).toMatchObject({
    outcome: 'matched',
    stale: false,
    slotsCompared: 0,
    copies: [{ place: 'a' }, { place: 'b' }, { place: 'c' }],
  });
  const moved = copyOf('b', many(5));
  moved.load(many(1, 7));
  expect(await listed([copyOf('a', many(5)), moved])).toMatchObject({
    outcome: 'matched',
    stale: true,
    copies: [{ stale: false }, { stale: true }],
  });
  expect(await listed([copyOf('a', []), copyOf('b', [])])).toMatchObject({ outcome: 'matched' });
  // Other roots, one copy only, no tree, not told, other slots, another spelling.
  expect(await listed([copyOf('a', many(5)), copyOf('b', many(4))])).toBeNull();
  expect(await listed([copyOf('a', many(5))])).toBeNull();
  expect(await listed([copyOf('a', many(5)), new MemoryShardCopy({ place: 'b' })])).toBeNull();
  expect(await listed([copyOf('a', many(5)), copyOf('b', many(5))], false)).toBeNull();
  expect(await listed([copyOf('a', []), copyOf('b', [], { settings: { slots: 4 } })])).toBeNull();
  expect(await listed([copyOf('a', []), copyOf('b', [], { settings: { spelling: 'spaced' } })])).toBeNull();
});
