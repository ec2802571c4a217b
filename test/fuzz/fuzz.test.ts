/** A short attack on serving processes; `npm run fuzz` goes on as long as wanted. */
import { expect, test } from 'vitest';
import { testSeed } from '../support/seeded-random.ts';
import { FuzzedServer } from './fuzzed-server.ts';
import { GuardedServer } from './guarded-server.ts';

const limit = { attacks: 240, seconds: 8 };

/** For a machine that does other things too. */
const testMs = 60_000;

test(
  'a server lives through calls, requests and connections of any kind, and changes nothing for them',
  async () => {
    await using server = await FuzzedServer.start(testSeed());
    const counts = await server.attack(limit);
    expect(counts.attacks).toBeGreaterThan(0);
    await server.finish();
  },
  testMs,
);

test(
  'one with TLS and tokens does nothing for those who have none, forged ones, or ones that may not',
  async () => {
    await using server = await GuardedServer.start(testSeed());
    const counts = await server.attack(limit);
    expect(counts.attacks).toBeGreaterThan(0);
    await server.finish();
  },
  testMs,
);
