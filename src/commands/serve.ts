/** `serve`: this replica as a service, until it is told to stop. */
import { once } from 'node:events';
import { CodedError } from '../lib/coded-error.ts';
import { createLog } from '../lib/log.ts';
import { Service } from '../service/service.ts';
import { readSettings } from '../settings/settings.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';

interface ServeOptions {
  readonly config?: string;
  readonly root?: string;
  readonly name?: string;
  readonly listen?: string;
  readonly nodes?: string;
  readonly insecureListen?: boolean;
}

export const addServe: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('serve')
    .description('Offers the shards of a data root to its peers and keeps their trees fresh.')
    .option('--config <file>', 'settings file (YAML); flags override the environment, which overrides it')
    .option('--root <dir>', 'the data root')
    .option('--name <name>', 'what this replica calls itself')
    .option('--listen <host:port>', 'where peers reach it; port 0 takes a free one')
    .option('--nodes <file>', 'nodes file of the peers')
    .option('--insecure-listen', 'listen on other than loopback addresses without TLS')
    .addHelpText(
      'after',
      '\nExample: tallystick serve --root ./replica-1 --name one --listen 127.0.0.1:17960',
    );
  addRun<ServeOptions>(command, environment, onExit, runServe);
};

async function runServe(
  context: CommandContext,
  _places: string[],
  options: ServeOptions,
): Promise<ExitCode> {
  const { config, root, name, listen, nodes, insecureListen } = options;
  const settings = await readSettings({
    file: config ?? null,
    environment: context.variables,
    flags: { root, name, listen, nodes, insecureListen },
  });
  const log = createLog({ name: settings.name, level: settings.log.level, stream: context.stderr });
  await using service = new Service({ settings, clock: context.clock, log });
  const stopped = once(context.signal, 'abort');
  await Promise.race([service.start(), stopped]);
  if (!context.signal.aborted) {
    const ready = { name: settings.name, listen: service.address, admin: null };
    context.stdout.write(`${JSON.stringify({ ready })}\n`);
    await stopped;
  }
  log.info({ reason: CodedError.from(context.signal.reason).message }, 'stopping');
  return exitCodes.done;
}
