#!/usr/bin/env node
/** From argv to a command and its exit code; nothing else. */
import { fileURLToPath } from 'node:url';
import { systemClock } from './lib/clock.ts';
import { CodedError } from './lib/coded-error.ts';
import { unfitRuntime } from './lib/runtime-version.ts';
import { keepHeapSmall } from './lib/small-heap.ts';

const loaded = keepHeapSmall();
const controller = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    controller.abort(new CodedError('cancelled', `stopped by ${name}; running it again continues it`));
    // A second signal means now.
    process.once(name, () => process.exit(2));
  });
}
// Left to the runtime, a fault of ours would end with 1, which says that replicas differ.
process.on('uncaughtException', (error: unknown) => {
  const text = error instanceof Error ? error.stack : String(error);
  process.stderr.write(`tallystick: ${text} [internal]\n`);
  process.exit(2);
});
// Who does not read what is said does not hold up what is done: a service outlives the reader of its log.
process.stderr.on('error', () => undefined);
// A reader that stops early (`| head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.stderr.write(`tallystick: stdout: ${error.message} [io]\n`);
  process.exit(2);
});

const unfit = unfitRuntime(process.version);
if (unfit !== null) {
  process.stderr.write(`tallystick: ${unfit} [bad-settings]\n`);
  process.exitCode = 2;
} else {
  // Loaded only now, so that a signal meanwhile already ends the command as it should.
  const { runProgram } = await import('./commands/program.ts');
  loaded();
  process.exitCode = await runProgram(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    clock: systemClock,
    programPath: fileURLToPath(import.meta.url),
    // biome-ignore lint/style/noProcessEnv: the one place where the environment is read
    variables: process.env,
    signal: controller.signal,
  });
}
