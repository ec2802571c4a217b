/** A short attack on a serving process; `npm run fuzz` goes on as long as wanted. */
import { expect, test } from 'vitest';
import { testSeed } from '../support/seeded-random.ts';
import { FuzzedServer } from './fuzzed-server.ts';

const attacks = 300;

test('a server lives through calls, requests and connections of any kind, and changes nothing for them', async () => {
  const seed = testSeed();
  await using server = await FuzzedServer.start(seed);
  const counts = await server.attack({ attacks, seconds: 20 });
  expect(counts.attacks).toBeGreaterThan(0);
  await server.finish();
});
