/** `serve`: this replica as a service, until it is told to stop. */
import { once } from 'node:events';
import { CodedError } from '../lib/coded-error.ts';
import { jsonLine } from '../lib/json-line.ts';
import { createLog, type Log, type LogLevel } from '../lib/log.ts';
import { Service } from '../service/service.ts';
import { readSettings, type Settings, unknownVariables } from '../settings/settings.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';

interface ServeOptions {
  readonly config?: string;
  readonly root?: string;
  readonly name?: string;
  readonly listen?: string;
  readonly admin?: string;
  readonly nodes?: string;
  readonly dns?: string;
  readonly insecureListen?: boolean;
}

/** Draining that takes longer is cut off: whatever hangs, an init system would kill the process soon after. */
const drainMsMax = 10_000;

export const addServe: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('serve')
    .description(
      'Offers the shards of a data root to its peers, keeps their trees fresh and repairs them in rounds.',
    )
    .option('--config <file>', 'settings file (YAML); flags override the environment, which overrides it')
    .option('--root <dir>', 'the data root')
    .option('--name <name>', 'what this replica calls itself')
    .option('--listen <host:port>', 'where peers reach it; port 0 takes a free one')
    .option('--admin <host:port>', 'where the admin endpoint (HTTP) listens; off without it')
    .option('--nodes <file>', 'nodes file of the peers')
    .option('--dns <name>', 'the SRV records of this name list the peers')
    .option('--insecure-listen', 'listen on other than loopback addresses without TLS')
    .addHelpText(
      'after',
      '\nSIGHUP reads the settings again, SIGTERM drains and ends within 10 seconds, a second one ends at once.' +
        '\n\nExample: tallystick serve --root ./replica-1 --name one --listen 127.0.0.1:17960 --admin 127.0.0.1:17961',
    );
  addRun<ServeOptions>(command, environment, onExit, runServe);
};

async function runServe(
  context: CommandContext,
  _places: string[],
  options: ServeOptions,
): Promise<ExitCode> {
  const settings = await settingsOf(context, options);
  const logAt = (level: LogLevel): Log => createLog({ name: settings.name, level, stream: context.stderr });
  const service = new Service({ settings, clock: context.clock, log: logAt(settings.log.level), logAt });
  const unknown = unknownVariables(context.variables);
  if (unknown.length > 0)
    logAt(settings.log.level).warn(
      { variables: unknown },
      'these variables set no option; are they misspelled?',
    );
  const onHangup = (): void => void reload(context, options, service);
  process.on('SIGHUP', onHangup);
  try {
    const stopped = once(context.signal, 'abort');
    // A stop during the start ends the start: it drains below, and what it waits for is cut.
    await Promise.race([service.start(), stopped]);
    if (!context.signal.aborted) {
      const { address: listen, adminAddress: admin, propertyAddress: property } = service;
      const ready = { name: settings.name, listen, admin, property };
      context.stdout.write(jsonLine({ ready }));
      await stopped;
    }
    return exitCodes.done;
  } finally {
    await drain(context, service);
    process.off('SIGHUP', onHangup);
  }
}

function settingsOf({ variables }: CommandContext, options: ServeOptions): Promise<Settings> {
  const { config, root, name, listen, nodes, dns, insecureListen, admin } = options;
  return readSettings({
    file: config ?? null,
    environment: variables,
    flags: { root, name, listen, nodes, dns, insecureListen, 'admin.listen': admin },
  });
}

async function reload(context: CommandContext, options: ServeOptions, service: Service): Promise<void> {
  try {
    await service.reload(await settingsOf(context, options));
  } catch (error) {
    service.reloadFailed(CodedError.from(error));
  }
}

async function drain({ clock, out }: CommandContext, service: Service): Promise<void> {
  const over = new AbortController();
  const late = clock.sleep(drainMsMax, over.signal).then(
    () => true,
    () => false,
  );
  const ended = service[Symbol.asyncDispose]().then(() => false);
  if (await Promise.race([ended, late])) {
    out.talk('draining took more than 10 seconds; what runs is cut off');
    // Something holds the process that nothing can end any more; the data is safe, and the next start continues.
    process.exit(exitCodes.error);
  }
  over.abort();
}
