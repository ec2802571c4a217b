/** What every verb has in common: `--json`, the streams, cancellation, errors and exit codes. */
import { type Command, CommanderError, InvalidArgumentError } from 'commander';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { Output, type OutputStream } from './output.ts';

/** Exit codes that scripts rely on. */
export const exitCodes = { done: 0, differs: 1, error: 2, inconclusive: 3 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What the process gives to a command. */
export interface Environment {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly clock: Clock;
  /** Path of the program itself, to start it once more. */
  readonly programPath: string;
  /** Environment variables. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

export interface CommandContext extends Environment {
  readonly out: Output;
}

/** Does the verb's work and says with which code the process ends. */
export type Run<Options> = (context: CommandContext, places: string[], options: Options) => Promise<ExitCode>;

/** Told the exit code once the command has ended. */
export type OnExit = (code: ExitCode) => void;

/** Adds a verb to the program. */
export type AddVerb = (program: Command, environment: Environment, onExit: OnExit) => void;

/** Adds `--json` and the run of a verb whose arguments are declared on `command`. */
export function addRun<Options extends object>(
  command: Command,
  environment: Environment,
  onExit: OnExit,
  run: Run<Options>,
): void {
  command.option('--json', 'one JSON object a line on stdout instead of text');
  command.action(async (...parameters: unknown[]) => {
    const options = parameters.at(-2) as Options & { json?: boolean };
    const places = parameters
      .slice(0, -2)
      .flat()
      .filter((value) => value !== undefined) as string[];
    const out = new Output({ ...environment, json: options.json === true });
    onExit(await runCoded(out, () => run({ ...environment, out }, places, options)));
  });
}

async function runCoded(out: Output, run: () => Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await run();
  } catch (error) {
    await out.error(CodedError.from(error));
    return exitCodes.error;
  } finally {
    out.endProgress();
  }
}

/** The graver of two exit codes: an error, then inconclusive, then differing. */
export function graver(a: ExitCode, b: ExitCode): ExitCode {
  const gravity: readonly ExitCode[] = [
    exitCodes.done,
    exitCodes.differs,
    exitCodes.inconclusive,
    exitCodes.error,
  ];
  return gravity.indexOf(a) >= gravity.indexOf(b) ? a : b;
}

/** What commander throws about arguments, as a coded error; null for help and version, which are no errors. */
export function argumentError(error: CommanderError): CodedError | null {
  if (error.exitCode === 0) return null;
  const message = error.message.replace(/^error: /, '');
  return new CodedError('bad-argument', message, { field: null, value: null, ...wrongArgument(message) });
}

// Commander tells which argument is wrong, and its value, in its message only.
function wrongArgument(message: string): { field?: string; value?: string } {
  const value = /(?:argument|value) '(.*)' is invalid/s.exec(message)?.[1];
  const option = /option '(?:-\w, )?--([\w-]+)/.exec(message)?.[1];
  const argument = /argument '([\w-]+)'(?:\.|$)/.exec(message)?.[1];
  const unknown = /^unknown (?:option|command) '(.*?)'/s.exec(message)?.[1];
  const surplus = /^too many arguments .* but got \d+: (.*)\.$/s.exec(message)?.[1];
  const known = surplus === undefined ? (option ?? argument) : 'arguments';
  const field = unknown === undefined ? known : message.split(' ', 2)[1];
  const wrong = unknown ?? value ?? surplus;
  return { ...(field !== undefined && { field }), ...(wrong !== undefined && { value: wrong }) };
}

/** Option parser: a whole number in a range. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`a whole number from ${min} to ${max} is wanted.`);
    }
    return value;
  };
}

export { type Command, CommanderError };
