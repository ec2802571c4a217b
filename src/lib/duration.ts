/** Durations as people write them: `90s`, `10m`, `24h`, `1h30m`. */
const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Longest timer that Node.js keeps; longer ones would fire at once. */
const durationMsMax = 2_147_483_647;

/** Milliseconds, 1 to some 24 days; or a sentence that says what is wrong. */
export function parseDuration(text: string): number | string {
  const parts = [...text.matchAll(/(\d{1,9})(ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    return 'a duration is wanted, such as 90s, 10m or 1h30m';
  }
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitsMs[unit ?? ''] ?? 0), 0);
  return ms >= 1 && ms <= durationMsMax ? ms : 'a duration lies between 1ms and 24d';
}

/** A duration for people, in its two largest units: `1h 5m`, `12s`, `0s`. */
export function formatDuration(ms: number): string {
  const parts: string[] = [];
  let rest = Math.max(0, Math.round(ms / 1_000));
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join(' ') || '0s';
}
