import { expect, test } from 'vitest';
import { TreeBuilder } from '../../../src/tree/tree-builder.ts';
import type { BuilderChildInput } from '../../support/builder-child.ts';
import { Child } from '../../support/run-child.ts';
import { ShardFixture } from '../../support/shard-fixture.ts';
import { StandingClock } from '../../support/standing-clock.ts';
import { makeVersion } from '../../support/versions.ts';

test('closed while builds wait: they are cancelled, and the process does not end before the thread has', async () => {
  await using fixture = await ShardFixture.create();
  await fixture.apply([makeVersion({ id: '1', revision: 1n })]);
  const { identity, settings } = fixture;
  const child = new Child('builder-child.ts', { identity, settings } satisfies BuilderChildInput);
  expect(JSON.parse(await child.line())).toEqual({ closed: true, cancelled: true, later: 'cancelled' });
  expect(await child.ended()).toMatchObject({ code: 0 });
});

test('the thread ends when nothing was built for a while, and the next build has another', async () => {
  await using fixture = await ShardFixture.create();
  await fixture.apply([makeVersion({ id: '1', revision: 1n })]);
  const { identity, settings } = fixture;
  const clock = new StandingClock();
  await using builder = new TreeBuilder(clock);
  for (let round = 0; round < 3; round += 1) {
    const built = await builder.build({ identity, settings, force: true });
    expect(built).toMatchObject({ outcome: 'built', leaves: 1 });
    expect(built.root).toHaveLength(64);
    await clock.move(4_000);
    expect(builder.hasThread).toBe(true);
    await clock.move(1_000);
    expect(builder.hasThread).toBe(false);
  }
});
