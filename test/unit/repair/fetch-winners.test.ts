/** Winners of a plan are fetched in batches of a size of their own, whatever the pages the plan is read in. */
import { expect, test } from 'vitest';
import { joinEntity } from '../../../src/property/entity.ts';
import { fetchWinners } from '../../../src/repair/fetch-winners.ts';
import type { PlanEntry } from '../../../src/repair/plan.ts';
import { SlotProofs } from '../../../src/repair/slot-proofs.ts';
import { copyOf, many } from '../../support/repairing.ts';

test.each([
  { onlyStanding: true, most: 200 },
  { onlyStanding: false, most: 1_000 },
])('no more are asked for at once than $most where onlyStanding is $onlyStanding', async (order) => {
  const { onlyStanding, most } = order;
  const versions = many(1_500);
  const holder = copyOf('A', versions);
  const asked: number[] = [];
  const fetch = holder.fetch.bind(holder);
  holder.fetch = (keys, signal) => {
    const all = [...keys];
    asked.push(all.length);
    return fetch(all, signal);
  };
  const entries = versions.map(
    ({ revision, deleteTime, digest }, at): PlanEntry => ({
      group: 'g',
      shard: 0,
      entity: joinEntity({ group: 'g', name: 'n', id: `e${at}` }),
      winner: { revision, deleteTime, digest },
      holders: ['A'],
      lackers: [{ place: 'B', before: null }],
    }),
  );
  const pages = async function* (): AsyncGenerator<readonly PlanEntry[]> {
    // As the last page of a chunk is: shorter than others.
    for (let at = 0; at < entries.length; at += 150) yield entries.slice(at, at + 150);
  };
  const steps = fetchWinners(pages(), {
    copies: new Map([
      ['A', holder],
      ['B', copyOf('B', [])],
    ]),
    ...{ spelling: null, onlyStanding, failed: new Map(), movedOn: new Set(), proofs: new SlotProofs() },
  });
  const shipped = (await Array.fromAsync(steps)).flat().filter(({ step }) => step === 'ship');
  expect(shipped).toHaveLength(versions.length);
  expect(Math.max(...asked)).toBe(most);
});
