/**
 * `npm run fuzz [-- --seconds N] [--seed S]`: attacks serving processes for so long, a minute by default, an open one
 * and one with TLS and tokens, both at once. Prints what was done; exit code 1, and the seed, where something did not
 * hold.
 */
import { parseArgs } from 'node:util';
import { testSeed } from '../support/seeded-random.ts';
import { FuzzedServer } from './fuzzed-server.ts';
import { GuardedServer } from './guarded-server.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
});
const seed = values.seed === undefined ? testSeed() : Number(values.seed);
const limit = { attacks: Number.POSITIVE_INFINITY, seconds: Number(values.seconds) };
await using open = await FuzzedServer.start(seed);
await using guarded = await GuardedServer.start(seed);
const ended = await Promise.allSettled(
  [open, guarded].map(async (server) => {
    const counts = await server.attack(limit);
    await server.finish();
    return counts;
  }),
);
for (const [at, one] of ended.entries()) {
  const server = at === 0 ? 'open' : 'guarded';
  if (one.status === 'fulfilled') {
    console.log(JSON.stringify({ summary: { seed, server, ...one.value } }));
    continue;
  }
  console.error(one.reason);
  process.exitCode = 1;
}
