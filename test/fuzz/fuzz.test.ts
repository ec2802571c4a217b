/** A short attack on serving processes; `npm run fuzz` goes on as long as wanted. */
import { expect, test } from 'vitest';
import { testSeed } from '../support/seeded-random.ts';
import { FuzzedServer } from './fuzzed-server.ts';
import { GuardedServer } from './guarded-server.ts';

const limit = { attacks: 240, seconds: 8 };

/** For a machine that does other things too. */
const testMs = 60_000;

test.each([
  [
    'a server lives through calls, requests and connections of any kind, and changes nothing for them',
    FuzzedServer,
  ],
  [
    'one with TLS and tokens does nothing for those who have none, forged ones, or ones that may not',
    GuardedServer,
  ],
])(
  '%s',
  async (_title, server) => {
    await using attacked = await server.start(testSeed());
    const counts = await attacked.attack(limit);
    expect(counts.attacks).toBeGreaterThan(0);
    await attacked.finish();
  },
  testMs,
);
