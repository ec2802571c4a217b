import { expect, test } from 'vitest';
import type { BuilderChildInput } from '../../support/builder-child.ts';
import { Child } from '../../support/run-child.ts';
import { ShardFixture } from '../../support/shard-fixture.ts';
import { makeVersion } from '../../support/versions.ts';

test('closed while builds wait: they are cancelled, and the process does not end before the thread has', async () => {
  await using fixture = await ShardFixture.create();
  await fixture.apply([makeVersion({ id: '1', revision: 1n })]);
  const { identity, settings } = fixture;
  const child = new Child('builder-child.ts', { identity, settings } satisfies BuilderChildInput);
  expect(JSON.parse(await child.line())).toEqual({ closed: true, cancelled: true, later: 'cancelled' });
  expect(await child.ended()).toMatchObject({ code: 0 });
});
