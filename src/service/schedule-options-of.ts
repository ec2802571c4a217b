/** The schedule's options as the settings have them, and why nothing is lost between the two. */
import { assert } from '../lib/assert.ts';
import { type Cron, parseCron } from '../schedule/cron.ts';
import type { ScheduleOptions } from '../schedule/schedule-options.ts';
import type { Settings } from '../settings/settings.ts';

export function scheduleOptionsOf({
  name,
  peerInterval,
  build,
  round,
  windows,
  timeZone,
  catchUp,
}: Settings): ScheduleOptions {
  const { halfInterval, quickDelay } = build;
  return {
    build: { cron: cronOf(build.cron, timeZone), quickDelayMs: quickDelay, halfInterval },
    round: {
      cron: cronOf(round.cron, timeZone),
      off: round.mode === 'off',
      jitterMs: round.jitter,
      // What peers were last heard to have is up to an interval old: shorter, and every build would look like a difference.
      quickDelayMs: Math.max(round.quickDelay, peerInterval),
      quickIntervalMs: round.quickInterval,
      deadlineMs: round.deadline,
      deadlines: new Map(round.deadlines.map(({ group, deadline }) => [group, deadline])),
      shardsPerFiring: round.shardsPerFiring,
    },
    windows: windows.map(({ cron, lasts }) => ({ start: cronOf(cron, timeZone), lastsMs: lasts })),
    catchUp,
    seed: name,
  };
}

function cronOf(text: string, timeZone: string): Cron {
  const cron = parseCron(text, timeZone);
  assert(typeof cron !== 'string', 'the settings were checked');
  return cron;
}
