/** `config`: checks a settings file, and shows one with every option. */
import { exampleSettings } from '../settings/example.ts';
import { readSettings } from '../settings/settings.ts';
import { checkReferences } from '../settings/check-references.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';

export const addConfig: AddVerb = (program, environment, onExit) => {
  const config = program
    .command('config')
    .description('Checks a settings file, or shows one with every option.');
  const check = config
    .command('check')
    .description(
      'Names every problem of a settings file and of the files it names; ends with 2 where there is one.',
    )
    .argument('<file>', 'settings file (YAML)')
    .addHelpText('after', '\nExample: tallystick config check /etc/tallystick/tallystick.yaml');
  addRun(check, environment, onExit, runCheck);
  const example = config
    .command('example')
    .description('Writes a settings file with every option, its default and its meaning.');
  addRun(example, environment, onExit, runExample);
};

async function runCheck({ out }: CommandContext, [file = '']: string[]): Promise<ExitCode> {
  const settings = await readSettings({ file, environment: {}, flags: {} });
  await checkReferences(file, settings);
  await out.summary({ outcome: 'good', file }, `${file} is good`);
  return exitCodes.done;
}

async function runExample({ out }: CommandContext): Promise<ExitCode> {
  await out.result({ example: exampleSettings() }, exampleSettings().trimEnd());
  return exitCodes.done;
}
