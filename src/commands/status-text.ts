/** One screen about a running replica, legible at 80 columns. */
import type { PeerResource, ShardResource, StatusResource } from '../admin/resources.ts';
import { formatDuration } from '../lib/duration.ts';
import { wrapText } from '../lib/wrap-text.ts';
import { table } from './output.ts';

/** Columns of the narrowest terminal it is to be read in. */
const screenColumns = 80;

/** A shard's name is cut no shorter. */
const nameColumnsMin = 12;

const head = ['shard', 'live', 'copies', 'since', 'last round', 'lag', 'next round'];

export function readableStatus(status: StatusResource, nowMs: number): string {
  const { name, version, listen, ready, reason, shards, peers, warnings } = status;
  return [
    ...wrapped(
      `${name} (tallystick ${version}) on ${listen ?? 'no address yet'}: ${ready ? 'ready' : reason}`,
    ),
    ...wrapped(activity(status)),
    '',
    shardTable(shards, nowMs),
    '',
    ...wrapped(peers.length === 0 ? 'no peers' : `peers: ${peers.map(readablePeer).join(', ')}`),
    ...warnings.flatMap((warning) => wrapped(`warning: ${warning}`)),
  ].join('\n');
}

function activity({ runsRunning, runsWaiting, runsPaused, paused, windowUntil }: StatusResource): string {
  const held = paused
    ? '; the schedule is paused'
    : windowUntil === null
      ? ''
      : `; in a window until ${windowUntil}`;
  return `${runsRunning} running, ${runsWaiting} waiting, ${runsPaused} paused${held}`;
}

function shardTable(shards: readonly ShardResource[], nowMs: number): string {
  const rows = shards.map((shard) => shardRow(shard, nowMs));
  const shown = table(head.slice(1), rows);
  const columnsLeft = screenColumns - 2 - Math.max(...shown.split('\n').map((line) => line.length));
  const nameColumns = Math.max(nameColumnsMin, columnsLeft);
  const names = shards.map(({ group, shard }) => cut(`${group}/${shard}`, nameColumns));
  return table(
    head,
    rows.map((row, position) => [names[position] ?? '', ...row]),
  );
}

function shardRow(shard: ShardResource, nowMs: number): (string | number)[] {
  const { agreement, lastRound, lastConvergedAt } = shard;
  const { state, copies, since } = agreement;
  return [
    shard.live ?? '-',
    state === 'equal' ? `${copies.length || 'all'} equal` : state,
    age(since, nowMs),
    lastRound === null ? 'none yet' : `${lastRound.outcome} ${age(lastRound.at, nowMs)}`,
    age(lastConvergedAt, nowMs),
    nextRound(shard, nowMs),
  ];
}

function nextRound({ nextRoundAt, roundWaits, onTime }: ShardResource, nowMs: number): string {
  const late = onTime === false ? ' LATE' : '';
  const known = nextRoundAt !== null && ['not-due', 'older-first', 'differs'].includes(roundWaits ?? '');
  if (!known) return `${roundWaits ?? '-'}${late}`;
  return `${formatDuration(Date.parse(nextRoundAt) - nowMs).split(' ')[0]}${late}`;
}

function readablePeer({ name, place, reachable }: PeerResource): string {
  return `${name ?? place} ${reachable === true ? 'there' : reachable === null ? 'not asked yet' : 'AWAY'}`;
}

/** In the largest unit only. */
function age(time: string | null, nowMs: number): string {
  return time === null ? 'never' : (formatDuration(nowMs - Date.parse(time)).split(' ')[0] ?? '');
}

/** Cut in the middle: names of one kind begin alike, and a shard's number ends it. */
function cut(text: string, columns: number): string {
  if (text.length <= columns) return text;
  const end = Math.floor((columns - 1) / 2);
  return `${text.slice(0, columns - 1 - end)}…${text.slice(-end)}`;
}

function wrapped(text: string): string[] {
  return wrapText(text, screenColumns - 2).map((line, position) => (position === 0 ? line : `  ${line}`));
}
