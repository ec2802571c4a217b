/** The command line: every verb, and what happens to wrong arguments. */
import { Command } from 'commander';
import { CodedError } from '../lib/coded-error.ts';
import { packageVersion } from '../lib/package-version.ts';
import { addAudit } from './audit.ts';
import { addBuild } from './build.ts';
import {
  type AddVerb,
  argumentError,
  CommanderError,
  type Environment,
  type ExitCode,
  exitCodes,
} from './command.ts';
import { addConfig } from './config.ts';
import { addDelete } from './delete.ts';
import { addDemo } from './demo.ts';
import { addDiff } from './diff.ts';
import { addGet } from './get.ts';
import { addInspect } from './inspect.ts';
import { addLoad } from './load.ts';
import { Output } from './output.ts';
import { addRepair } from './repair.ts';
import { addRound } from './round.ts';
import { addCancel, addRuns, addWatch } from './runs.ts';
import { addSearch } from './search.ts';
import { addServe } from './serve.ts';
import { addStatus } from './status.ts';
import { addPause, addPeers, addResume } from './steer.ts';
import { addVerify } from './verify.ts';

const verbs: readonly AddVerb[] = [
  addDemo,
  addLoad,
  addGet,
  addSearch,
  addDelete,
  addBuild,
  addInspect,
  addDiff,
  addRepair,
  addVerify,
  addServe,
  addAudit,
  addRound,
  addStatus,
  addRuns,
  addWatch,
  addPause,
  addResume,
  addCancel,
  addPeers,
  addConfig,
];

const description = `Proves that the replicas of a property store match, shows where they do not, and mends them.

A PLACE is a data root (a directory), a tree file of ours, a BanyanDB state-tree.data,
or HOST:PORT of a running tallystick serve.
Exit codes: 0 equal or done, 1 replicas differ, 2 error, 3 inconclusive.`;

/** Runs a command line (without the program's name) and returns its exit code. */
export async function runProgram(argv: readonly string[], environment: Environment): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.done;
  const program = new Command('tallystick').description(description).version(packageVersion());
  program.exitOverride().configureOutput({
    writeOut: (text) => environment.stdout.write(text),
    // Errors of arguments are told once, below, in the form that was asked for.
    writeErr: () => {},
  });
  for (const add of verbs)
    add(program, environment, (code) => {
      exitCode = code;
    });
  program.helpCommand(true);
  if (argv.length === 0) {
    environment.stderr.write(program.helpInformation());
    return exitCodes.error;
  }
  try {
    checkVerb(program, argv[0]);
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError) && !(error instanceof CodedError)) throw error;
    const coded = error instanceof CodedError ? error : argumentError(error);
    if (coded === null) return exitCodes.done;
    const out = new Output({ ...environment, json: argv.includes('--json') });
    await out.error(coded);
    if (!out.json) out.talk('tallystick --help lists the verbs; tallystick VERB --help explains one.');
    return exitCodes.error;
  }
  return exitCode;
}

// Told before anything else is looked at: options of a verb that does not exist say nothing.
function checkVerb(program: Command, verb: string | undefined): void {
  if (verb === undefined || verb.startsWith('-')) return;
  const known = program.commands.map((command) => command.name());
  if (verb === 'help' || known.includes(verb)) return;
  throw new CodedError(
    'bad-argument',
    `there is no verb ${JSON.stringify(verb)}; there are ${known.join(', ')}`,
    {
      field: 'verb',
      value: verb,
    },
  );
}
