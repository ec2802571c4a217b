/** `pause`, `resume` and `peers`: the schedule of a running replica, or one run, held and let go, and who its peers are. */
import type { PeerResource, RunResource } from '../admin/resources.ts';
import { addAdminOptions, AdminClient, type AdminOptions } from './admin-client.ts';
import { addRun, type AddVerb, exitCodes } from './command.ts';
import { table } from './output.ts';
import { readableRun, runPath } from './run-text.ts';

export const addPause: AddVerb = steering(
  'pause',
  'Starts nothing by itself until resumed, also after a restart, and what runs goes on; or pauses one run.',
  true,
);
export const addResume: AddVerb = steering(
  'resume',
  'Starts by itself again, and what was missed is made up for once; or queues a paused run again.',
  false,
);

function steering(verb: 'pause' | 'resume', description: string, paused: boolean): AddVerb {
  return (program, environment, onExit) => {
    const command = program
      .command(verb)
      .description(description)
      .argument('[run]', 'only this one; without, the schedule')
      .addHelpText('after', `\nExamples:\n  tallystick ${verb}\n  tallystick ${verb} 019ab1…`);
    addRun<AdminOptions>(addAdminOptions(command), environment, onExit, async (context, [id], options) => {
      const client = await AdminClient.open(context, options);
      if (id !== undefined) {
        const run = await client.ask<RunResource>('POST', `${runPath(id)}/${verb}`);
        await context.out.result({ ...run }, readableRun(run));
        return exitCodes.done;
      }
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
