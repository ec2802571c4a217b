/** Crons: what is understood, in which time zone, and what is refused with a sentence. */
import { describe, expect, test } from 'vitest';
import { type Cron, parseCron } from '../../../src/schedule/cron.ts';
import { quietUntil } from '../../../src/schedule/quiet-windows.ts';

const at = (text: string): number => Date.parse(text);
const cron = (text: string, zone?: string): Cron => {
  const parsed = parseCron(text, zone);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
};
const next = (text: string, after: string, zone?: string): string =>
  new Date(cron(text, zone).next(at(after))).toISOString();

describe('a cron', () => {
  test.each([
    ['@every 10m', '2026-03-01T00:03:00Z', '2026-03-01T00:10:00.000Z'],
    ['@every 90s', '2026-03-01T00:00:00Z', '2026-03-01T00:01:30.000Z'],
    ['@hourly', '2026-03-01T00:00:00Z', '2026-03-01T01:00:00.000Z'],
    ['@midnight', '2026-03-01T00:00:01Z', '2026-03-02T00:00:00.000Z'],
    ['@annually', '2026-03-01T00:00:01Z', '2027-01-01T00:00:00.000Z'],
    ['0 2 * * *', '2026-03-01T02:00:00Z', '2026-03-02T02:00:00.000Z'],
    ['*/15 * * * * *', '2026-03-01T02:00:01Z', '2026-03-01T02:00:15.000Z'],
    ['TZ=Asia/Tokyo 0 2 * * *', '2026-03-01T00:00:00Z', '2026-03-01T17:00:00.000Z'],
    ['CRON_TZ=Asia/Tokyo @daily', '2026-03-01T00:00:00Z', '2026-03-01T15:00:00.000Z'],
  ])('%s after %s fires at %s', (text, after, expected) => expect(next(text, after)).toBe(expected));

  test('follows the time zone over a change of the clocks', () => {
    expect(next('0 12 * * *', '2026-03-28T12:00:00Z', 'Europe/Berlin')).toBe('2026-03-29T10:00:00.000Z');
    expect(next('0 12 * * *', '2026-03-27T12:00:00Z', 'Europe/Berlin')).toBe('2026-03-28T11:00:00.000Z');
  });

  test.each(['@every 10m', '0 2 * * *', '*/7 * * * * *'])(
    '%s: the firing before a firing is that firing',
    (text) => {
      const { next: after, previous } = cron(text);
      let time = at('2026-03-01T00:00:00Z');
      for (let count = 0; count < 20; count += 1) {
        const firing = after.call(cron(text), time);
        expect(firing).toBeGreaterThan(time);
        expect(previous.call(cron(text), firing)).toBe(firing);
        expect(previous.call(cron(text), firing - 1)).toBeLessThan(firing);
        time = firing;
      }
    },
  );

  test.each([
    ['', /a cron is wanted/],
    ['* * * *', /a cron is wanted/],
    ['* * * * * * *', /a cron is wanted/],
    ['61 * * * *', /61/],
    ['@often', /a cron is wanted/],
    ['@every soon', /duration/],
    ['@every 10ms', /at least 1s/],
    ['TZ=Mars/Base 0 2 * * *', /no time zone Mars\/Base/],
    ['0 0 30 2 *', /a cron is wanted/],
  ])('%j is refused', (text, sentence) => expect(parseCron(text)).toMatch(sentence));
});

describe('windows', () => {
  const windows = [
    { start: cron('0 8 * * *'), lastsMs: 2 * 3_600_000 },
    { start: cron('0 9 * * *'), lastsMs: 4 * 3_600_000 },
  ];
  test.each([
    ['2026-03-01T07:59:59Z', null],
    ['2026-03-01T08:00:00Z', '2026-03-01T10:00:00Z'],
    ['2026-03-01T09:30:00Z', '2026-03-01T13:00:00Z'],
    ['2026-03-01T13:00:00Z', null],
  ])('at %s are open until %s', (now, until) => {
    expect(quietUntil(windows, at(now))).toBe(until === null ? null : at(until));
  });
});
