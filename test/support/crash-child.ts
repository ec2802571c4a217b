/**
 * Runs the crash scenario and kills itself at the n-th time it comes to a crash point; without a point, counts
 * how often it comes to each and writes that as its last line.
 */
import { writeSync } from 'node:fs';
import { setCrashHook } from '../../src/lib/crash-point.ts';
import { crashScenario } from './crash-scenario.ts';

export interface CrashChildInput {
  readonly folder: string;
  readonly point: string | null;
  readonly occurrence: number;
}

const { folder, point, occurrence } = JSON.parse(process.argv[2] as string) as CrashChildInput;
const counts: Record<string, number> = {};
setCrashHook((name) => {
  counts[name] = (counts[name] ?? 0) + 1;
  if (name === point && counts[name] === occurrence) process.kill(process.pid, 'SIGKILL');
});
await crashScenario(folder, (write) => {
  // At once, not in a buffer that dies with the process.
  if (point !== null) writeSync(1, `${JSON.stringify(write)}\n`);
});
if (point === null) writeSync(1, `${JSON.stringify(counts)}\n`);
