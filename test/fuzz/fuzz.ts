/**
 * `npm run fuzz [-- --seconds N] [--seed S]`: attacks a serving process for so long, a minute by default. Prints
 * what was done; exit code 1, and the seed, where something did not hold.
 */
import { parseArgs } from 'node:util';
import { testSeed } from '../support/seeded-random.ts';
import { FuzzedServer } from './fuzzed-server.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
});
const seed = values.seed === undefined ? testSeed() : Number(values.seed);
await using server = await FuzzedServer.start(seed);
try {
  const counts = await server.attack({ attacks: Number.POSITIVE_INFINITY, seconds: Number(values.seconds) });
  await server.finish();
  console.log(JSON.stringify({ summary: { seed, ...counts } }));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
