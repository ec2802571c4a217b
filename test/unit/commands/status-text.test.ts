/** The one screen of `status`: what it says, within 80 columns, without colours. */
import { expect, test } from 'vitest';
import type { PeerResource, ShardResource, StatusResource } from '../../../src/admin/resources.ts';
import { readableStatus } from '../../../src/commands/status-text.ts';

const nowMs = Date.parse('2026-03-01T12:00:00Z');
const at = (ms: number): string => new Date(nowMs + ms).toISOString();
const minute = 60_000;

function shard(part: Partial<ShardResource> = {}): ShardResource {
  const copies = ['a', 'b'].map((place) => ({ place, root: '00', leaves: 4, stale: false }));
  return {
    ...{ group: 'ui', shard: 0, leaves: 5, live: 4, writeSequence: '9', tree: null, generations: [] },
    agreement: { state: 'equal', since: at(-3 * 60 * minute - 5_000), copies },
    ...{ lastBuildAt: null, nextBuildAt: null, buildWaits: null, lastBuildSkip: null, lastRoundSkip: null },
    lastRound: { run: '1', outcome: 'converged', reason: null, at: at(-4 * minute) },
    lastConvergedAt: at(-4 * minute),
    ...{ nextRoundAt: at(6 * minute), roundWaits: 'not-due', dueBy: null, onTime: true, error: null },
    ...part,
  };
}

function peer(name: string, reachable: boolean): PeerResource {
  const never = { lastSeenAt: null, latencyMs: null, shards: null, error: null };
  return { name, place: `${name}:1`, kind: 'tallystick', reachable, ...never };
}

function status(part: Partial<StatusResource> = {}): StatusResource {
  return {
    ...{ name: 'one', version: '0.1.0', listen: '127.0.0.1:17960', ready: true, reason: null, paused: false },
    ...{ windowUntil: null, startedAt: at(0), runsWaiting: 0, runsRunning: 1, runsPaused: 0, lateShards: 0 },
    ...{ warnings: [], shards: [shard()], peers: [peer('two', true)] },
    ...part,
  };
}

test('says all there is to say', () => {
  expect(readableStatus(status(), nowMs)).toBe(`one (tallystick 0.1.0) on 127.0.0.1:17960: ready
1 running, 0 waiting, 0 paused

shard  live  copies   since  last round    lag  next round
ui/0      4  2 equal  3h     converged 4m  4m   6m

peers: two there`);
});

test('keeps within 80 columns, whatever the names, reasons and warnings', () => {
  const long = 'a-group-whose-name-goes-on-and-on'.repeat(4);
  const shards = [
    shard({ group: long, shard: 4_095, live: 123_456_789 }),
    shard({
      group: `${long}-too`,
      lastRound: { run: '1', outcome: 'inconclusive', reason: null, at: at(-59 * minute) },
    }),
    shard({ roundWaits: 'differs', onTime: false, lastConvergedAt: null, lastRound: null }),
    shard({ roundWaits: 'older-first', agreement: { state: 'differs', since: null, copies: [] } }),
    shard({ roundWaits: 'window' }),
  ];
  const warnings = [
    '127.0.0.1:17961 cannot be reached: no answer came within the time that is given to it',
    long,
  ];
  const peers = Array.from({ length: 12 }, (_, number) => peer(`replica-${number}`, number % 2 === 0));
  const text = readableStatus(status({ shards, warnings, peers, windowUntil: at(minute) }), nowMs);
  for (const line of text.split('\n'))
    if (!line.includes(long)) expect([line, line.length <= 80]).toEqual([line, true]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that there is none is what is tested.
  expect(text).not.toMatch(/\u001b/);
  expect(text).toContain('…');
  expect(text).toMatch(/\/4095 +123456789/);
  expect(text).toContain('6m LATE');
  expect(text).toContain('AWAY');
});

test('a replica without shards or peers, that is not ready, says so', () => {
  const text = readableStatus(
    status({ shards: [], peers: [], ready: false, reason: 'it is starting' }),
    nowMs,
  );
  expect(text).toContain('it is starting');
  expect(text).toContain('no peers');
});
