/** `status`: one screen about a running replica: its shards and whether they agree, rounds, peers, warnings. */
import type { StatusResource } from '../admin/resources.ts';
import { addAdminOptions, AdminClient, type AdminOptions } from './admin-client.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';
import { readableStatus } from './status-text.ts';

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
    readableStatus(status, context.clock.nowMs()),
  );
  if (shards.some(({ agreement }) => agreement.state === 'differs')) return exitCodes.differs;
  const known = status.ready && shards.every(({ agreement }) => agreement.state === 'equal');
  return known ? exitCodes.done : exitCodes.inconclusive;
}
