/** Loads files of records into a data root as the command does, one file each time it is told a line. */
import { createInterface } from 'node:readline';
import { runProgram } from '../../src/commands/program.ts';
import { systemClock } from '../../src/lib/clock.ts';

const { root, files } = JSON.parse(process.argv[2] ?? '') as { root: string; files: string[] };
const silent = { write: () => true, once: () => undefined };
const left = [...files];
const lines = createInterface({ input: process.stdin });
for await (const _told of lines) {
  const code = await runProgram(['load', '--root', root, left.shift() ?? ''], {
    stdin: process.stdin,
    stdout: silent,
    stderr: process.stderr,
    clock: systemClock,
    programPath: '',
    variables: {},
    signal: new AbortController().signal,
  });
  if (code !== 0) process.exitCode = code;
  console.log(`loaded ${code}`);
  if (left.length === 0) break;
}
lines.close();
process.stdin.destroy();
