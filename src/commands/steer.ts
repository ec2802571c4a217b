/** `pause`, `resume` and `peers`: the schedule of a running replica held and let go, and who its peers are. */
import type { PeerResource } from '../admin/resources.ts';
import { addAdminOptions, AdminClient, type AdminOptions } from './admin-client.ts';
import { addRun, type AddVerb, exitCodes } from './command.ts';
import { table } from './output.ts';

export const addPause: AddVerb = steering(
  'pause',
  'Starts nothing by itself until resumed, also after a restart; what runs goes on.',
  true,
);
export const addResume: AddVerb = steering(
  'resume',
  'Starts by itself again; what was missed is made up for once.',
  false,
);

function steering(verb: 'pause' | 'resume', description: string, paused: boolean): AddVerb {
  return (program, environment, onExit) => {
    const command = program
      .command(verb)
      .description(description)
      .addHelpText('after', `\nExample: tallystick ${verb}`);
    addRun<AdminOptions>(addAdminOptions(command), environment, onExit, async (context, _, options) => {
      const client = await AdminClient.open(context, options);
      await client.ask('POST', `/v1/${verb}`);
      await context.out.summary({ paused }, paused ? 'paused' : 'goes on');
      return exitCodes.done;
    });
  };
}

export const addPeers: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('peers')
    .description('Lists the peers of a running replica; ends with 3 where one cannot be reached.')
    .addHelpText('after', '\nExample: tallystick peers --admin 127.0.0.1:17961');
  addRun<AdminOptions>(addAdminOptions(command), environment, onExit, async (context, _, options) => {
    const client = await AdminClient.open(context, options);
    const { peers } = await client.ask<{ peers: PeerResource[] }>('GET', '/v1/peers');
    for (const peer of peers) await context.out.result({ ...peer }, null);
    const away = peers.filter(({ reachable }) => reachable !== true).length;
    const rows = peers.map(({ name, place, reachable, shards, latencyMs, lastSeenAt, error }) => [
      name ?? '',
      place,
      reachable === true ? 'there' : reachable === null ? 'not asked yet' : 'away',
      shards ?? '-',
      latencyMs === null ? '-' : `${latencyMs} ms`,
      lastSeenAt ?? 'never',
      error?.message ?? '',
    ]);
    const text =
      peers.length === 0 ? 'no peers' : table(['name', 'place', '', 'shards', 'took', 'last seen', ''], rows);
    await context.out.summary({ peers: peers.length, away }, text);
    return away === 0 ? exitCodes.done : exitCodes.inconclusive;
  });
};
