import { expect, test } from 'vitest';
import type { BuildProgress, ListFilter, ShardListing } from '../../../src/peer/shard-provider.ts';
import { PeerClient } from '../../../src/peer/peer-client.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { offerOfListing, relayBuild } from '../../../src/round/listed-member.ts';
import { matchMembers } from '../../../src/round/match-members.ts';
import { PeerMember } from '../../../src/round/peer-member.ts';
import { askMembers } from '../../../src/round/run-round.ts';
import { providerOf, startPair } from '../../support/peer-pair.ts';

const settings = { shards: 3, slots: 32, spelling: 'compact' } as const;
const listing = (group: string, shard: number): ShardListing => ({ group, shard, settings, tree: null });

test('a listing is offered group by group, with what belongs to its replica', () => {
  const offer = offerOfListing({
    shards: [listing('g', 0), listing('g', 2), listing('h', 1)],
    held: [{ group: 'g', shards: [0, 2] }],
    instance: 0n,
  });
  expect(offer.groups).toEqual([
    { group: 'g', shards: 3, offered: [0, 2] },
    { group: 'h', shards: 3, offered: [1] },
  ]);
  expect([offer.holds('g', 2), offer.holds('g', 1), offer.holds('x', 0)]).toEqual([true, false, false]);
  expect(offer.instance).toBeNull();
});

test('a run of one shard has only that listed, and a number alone is looked for among all', async () => {
  const asked: ListFilter[] = [];
  const list = async (filter: ListFilter): Promise<ShardListing[]> => {
    asked.push(filter);
    return [0, 1, 2]
      .filter((shard) => filter.shard === undefined || filter.shard === shard)
      .map((shard) => listing('g', shard));
  };
  await using pair = await startPair(providerOf([], { list }));
  using member = new PeerMember(new PeerClient({ place: `127.0.0.1:${pair.port}`, clock: systemClock }));
  const [one] = await askMembers([member], [], { narrowing: { group: 'g', shard: 2 } });
  expect(one?.offer.groups).toEqual([{ group: 'g', shards: 3, offered: [2] }]);
  await askMembers([member], [], { narrowing: { group: 'g' } });
  await askMembers([member], [], { narrowing: { shard: 2 } });
  expect(asked).toEqual([{ group: 'g', shard: 2 }, { group: 'g' }, {}]);
  const none = await askMembers([member], [], { narrowing: { group: 'g', shard: 7 } });
  expect(() => matchMembers(none, { group: 'g', shard: 7 })).toThrow('shard 7 of group g');
});

test('builds are told as they go on; one that failed names place, shard and reason', async () => {
  const progress = (outcome: BuildProgress['outcome']): BuildProgress => ({
    ...{ group: 'g', shard: 1, outcome, leaves: 5, generation: 7n, root: Buffer.alloc(64) },
    reason: outcome === 'failed' ? 'the disk is full' : null,
  });
  const told: unknown[] = [];
  const options = {
    onBuilt: (built: unknown) => void told.push(built),
    onProgress: (text: string) => void told.push(text),
  };
  const stream = async function* (...outcomes: BuildProgress['outcome'][]): AsyncGenerator<BuildProgress> {
    yield* outcomes.map(progress);
  };
  await relayBuild('here', stream('running', 'built'), options);
  expect(told).toEqual([
    'building here g/1: 5 leaves',
    expect.objectContaining({ group: 'g', shard: 1, outcome: 'built', generation: 7n, leaves: 5 }),
  ]);
  await expect(relayBuild('here', stream('failed'), options)).rejects.toMatchObject({
    code: 'refused',
    message: 'here could not build shard 1 of group g: the disk is full',
    details: { place: 'here', group: 'g', shard: 1 },
  });
});
