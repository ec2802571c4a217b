/** Options of a schedule for tests: trees hourly, rounds every ten minutes, without jitter. */
import { type Cron, parseCron } from '../../src/schedule/cron.ts';
import type { ScheduleOptions } from '../../src/schedule/schedule-options.ts';

export const minute = 60_000;
export const hour = 60 * minute;

export function cron(text: string): Cron {
  const parsed = parseCron(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

export interface OptionChanges {
  readonly build?: Partial<ScheduleOptions['build']>;
  readonly round?: Partial<ScheduleOptions['round']>;
  readonly windows?: ScheduleOptions['windows'];
  readonly catchUp?: boolean;
  readonly seed?: string;
}

export function scheduleOptions({ build, round, ...rest }: OptionChanges = {}): ScheduleOptions {
  return {
    build: { cron: cron('@hourly'), quickDelayMs: 10 * minute, halfInterval: false, ...build },
    round: {
      cron: cron('@every 10m'),
      off: false,
      jitterMs: 0,
      quickDelayMs: minute,
      quickIntervalMs: 5 * minute,
      deadlineMs: 24 * hour,
      deadlines: new Map(),
      shardsPerFiring: null,
      ...round,
    },
    windows: [],
    catchUp: true,
    seed: 'one',
    ...rest,
  };
}
