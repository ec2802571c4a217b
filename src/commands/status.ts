/** `status`: one screen about a running replica: its shards and whether they agree, rounds, peers, warnings. */
import type { ShardResource, StatusResource } from '../admin/resources.ts';
import { formatDuration } from '../lib/duration.ts';
import { addAdminOptions, AdminClient, type AdminOptions } from './admin-client.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';
import { table } from './output.ts';

export const addStatus: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('status')
    .description(
      'One screen about a running replica; ends with 1 where replicas differ, 3 where it is not known.',
    )
    .addHelpText('after', '\nExample: tallystick status --admin 127.0.0.1:17961');
  addRun<AdminOptions>(addAdminOptions(command), environment, onExit, runStatus);
};

async function runStatus(context: CommandContext, _: string[], options: AdminOptions): Promise<ExitCode> {
  const client = await AdminClient.open(context, options);
  const status = await client.ask<StatusResource>('GET', '/v1/status');
  const { shards, peers, ...summary } = status;
  for (const shard of shards) await context.out.result({ ...shard }, null);
  await context.out.summary(
    { ...summary, shards: shards.length, peers },
    readable(status, context.clock.nowMs()),
  );
  if (shards.some(({ agreement }) => agreement.state === 'differs')) return exitCodes.differs;
  const known = status.ready && shards.every(({ agreement }) => agreement.state === 'equal');
  return known ? exitCodes.done : exitCodes.inconclusive;
}

function readable(status: StatusResource, nowMs: number): string {
  const {
    name,
    version,
    listen,
    ready,
    reason,
    paused,
    windowUntil,
    runsRunning,
    runsWaiting,
    peers,
    warnings,
  } = status;
  const held = paused ? ', paused' : windowUntil === null ? '' : `, in a window until ${windowUntil}`;
  const lines = [
    `${name} (tallystick ${version}) on ${listen ?? 'no address yet'}: ${ready ? 'ready' : reason}${held}; ${runsRunning} running, ${runsWaiting} waiting`,
    '',
    table(
      ['shard', 'properties', 'copies', 'since', 'last round', 'converged', 'next round', ''],
      status.shards.map((shard) => shardRow(shard, nowMs)),
    ),
    '',
    peers.length === 0
      ? 'no peers'
      : `peers: ${peers.map((peer) => `${peer.name} ${peer.reachable === true ? 'there' : peer.reachable === null ? 'not asked yet' : 'AWAY'}`).join(', ')}`,
    ...warnings.map((warning) => `warning: ${warning}`),
  ];
  return lines.join('\n');
}

function shardRow(shard: ShardResource, nowMs: number): (string | number)[] {
  const { agreement, lastRound, lastConvergedAt, nextRoundAt, roundWaits, onTime } = shard;
  return [
    `${shard.group}/${shard.shard}`,
    shard.live ?? '-',
    agreement.state === 'equal' ? `${agreement.copies.length} equal` : agreement.state,
    ago(agreement.since, nowMs),
    lastRound === null ? 'none yet' : `${lastRound.outcome} ${ago(lastRound.at, nowMs)}`,
    ago(lastConvergedAt, nowMs),
    nextRoundAt === null || roundWaits !== 'not-due'
      ? (roundWaits ?? '-')
      : `in ${formatDuration(Date.parse(nextRoundAt) - nowMs)}`,
    onTime === false ? 'LATE' : '',
  ];
}

function ago(time: string | null, nowMs: number): string {
  return time === null ? 'never' : `${formatDuration(nowMs - Date.parse(time))} ago`;
}
