/** Why something is not running now or was not run when its time came. The names are part of the interface. */
export const waitReasons = {
  'not-due': 'Its time has not come.',
  unchanged: 'Nothing was written since its tree was built, so there is nothing to build.',
  'quick-delay': 'It was written to; it is built when the delay after the first write has passed.',
  'half-interval':
    'It was written to, but more than half of the build interval has passed; the cron builds it.',
  differs:
    'Its copies were seen to differ; it is visited when that has lasted longer than replication takes.',
  window: 'A window is open in which nothing is started.',
  paused: 'An operator has paused the schedule, or this run.',
  off: 'The settings turn this off.',
  missed: 'Its time passed while nothing ran, and the settings do not catch up.',
  running: 'Its previous build or run has not ended.',
  'older-first': 'Shards that were visited longer ago go first.',
  turn: 'It is queued behind other work.',
  'no-peers': 'There is no other replica to compare with.',
} as const;

export type WaitReason = keyof typeof waitReasons;
