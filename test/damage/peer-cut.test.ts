/**
 * A connection that breaks, at any byte and in either direction, ends the run with a coded error within its timeouts;
 * running it again completes it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { CodedError } from '../../src/lib/coded-error.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { PeerShardCopy } from '../../src/peer/peer-shard-copy.ts';
import { startCuttingProxy } from '../support/hostile-peer.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { type PeerPair, providerOf, startPair } from '../support/peer-pair.ts';
import { readLeaves } from '../support/read-view.ts';
import { seededRandom, testSeed } from '../support/seeded-random.ts';
import { makeVersion } from '../support/versions.ts';

const settings = { shards: 1, slots: 32, spelling: 'compact' } as const;
const before = Array.from({ length: 90 }, (_, at) => makeVersion({ id: `e${at}`, revision: 10n }));
const after = Array.from({ length: 90 }, (_, at) => makeVersion({ id: `f${at}`, revision: 10n }));

let pair: PeerPair;
let behind: MemoryShardCopy;

beforeAll(async () => {
  behind = new MemoryShardCopy({ pageLeaves: 40 });
  behind.load(before);
  behind.build();
  pair = await startPair(providerOf([behind]));
});
afterAll(async () => await pair[Symbol.asyncDispose]());

/** Every call of the wire once; as a repair would use them. */
async function converse(port: number): Promise<void> {
  const place = `127.0.0.1:${port}`;
  using client = new PeerClient({
    place,
    clock: systemClock,
    deadlines: { idleMs: 2_000, openApplyMs: 2_000 },
  });
  expect((await client.listShards()).shards).toHaveLength(1);
  const copy = new PeerShardCopy(client, 'g', 0);
  await using view = await copy.openView();
  expect(await readLeaves(view)).toHaveLength(90);
  expect((await Array.fromAsync(copy.fetch(before.map(({ key }) => key)))).flat()).toHaveLength(90);
  await using session = await copy.openApply({ settings, confirmed: null });
  const batches = [0, 30, 60].map((from) => session.apply(after.slice(from, from + 30)));
  expect((await Promise.all(batches)).flat()).toHaveLength(90);
}

describe.each(['up', 'down'] as const)('a connection cut on its way %s', (way) => {
  test('at any byte', async () => {
    const seed = testSeed();
    console.log(`seed ${seed}`);
    const random = seededRandom(seed);
    await using whole = await startCuttingProxy(pair.port, {});
    await converse(whole.port);
    const total = whole.passed()[way];
    const cuts = [0, 1, 8, 9, 10, 23, 24, 25, 33, 50, 100, total - 1];
    for (let sample = 0; sample < 120; sample++) cuts.push(random.below(total));
    for (const cut of cuts) {
      await using proxy = await startCuttingProxy(pair.port, { [way]: cut });
      const startedMs = performance.now();
      const error: unknown = await converse(proxy.port).then(
        () => null,
        (reason: unknown) => reason,
      );
      // The last bytes only give the view back and take leave, so a cut there may go unseen.
      if (error === null) expect(cut).toBeGreaterThan(total - 500);
      else {
        expect(error, `cut at ${cut}`).toBeInstanceOf(CodedError);
        expect(['unreachable', 'timeout', 'bad-message'], `cut at ${cut}: ${String(error)}`).toContain(
          (error as CodedError).code,
        );
      }
      expect(performance.now() - startedMs).toBeLessThan(5_000);
    }
    await converse(pair.port);
    expect(behind.versions).toHaveLength(180);
  });
});
