/**
 * When something recurs: `@every 10m`, descriptors such as `@hourly`, five or six cron fields (seconds first),
 * each optionally after `TZ=Area/City`. The only place that knows the cron library.
 */
import { CronExpressionParser } from 'cron-parser';
import { parseDuration } from '../lib/duration.ts';

/** A recurring moment. Times are milliseconds since 1970. */
export interface Cron {
  readonly text: string;
  /** The first firing after `afterMs`. */
  next(afterMs: number): number;
  /** The last firing at or before `atMs`. */
  previous(atMs: number): number;
}

/** Names that the Go cron library has and ours lacks. */
const descriptors: Readonly<Record<string, string>> = {
  '@annually': '@yearly',
  '@midnight': '@daily',
  '@yearly': '@yearly',
  '@monthly': '@monthly',
  '@weekly': '@weekly',
  '@daily': '@daily',
  '@hourly': '@hourly',
};

const wanted = 'a cron is wanted: @every 10m, @hourly, @daily, five fields, or six with seconds first';

/** Reads a cron; a string says what is wrong. Firings are reckoned in `timeZone` unless the text names another. */
export function parseCron(text: string, timeZone = 'UTC'): Cron | string {
  const zoned = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/.exec(text);
  const zone = zoned?.[1] ?? timeZone;
  const rule = (zoned?.[2] ?? text).trim();
  const every = /^@every\s+(\S+)$/.exec(rule);
  if (every !== null) return parseEvery(text, every[1] ?? '');
  if (!isTimeZone(zone)) return `there is no time zone ${zone}`;
  const expression = rule.startsWith('@') ? descriptors[rule] : rule;
  if (expression === undefined) return wanted;
  const fields = expression.split(/\s+/).length;
  if (!expression.startsWith('@') && fields !== 5 && fields !== 6) return wanted;
  try {
    const cron = new FieldCron(text, expression, zone);
    // A date that never comes, such as 30 February, is told here and not when somebody waits for it.
    cron.next(0);
    return cron;
  } catch (error) {
    return `${wanted} (${error instanceof Error ? error.message : String(error)})`;
  }
}

/** Whether the runtime knows a time zone by this name. */
export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

class FieldCron implements Cron {
  readonly text: string;
  readonly #expression: string;
  readonly #timeZone: string;

  constructor(text: string, expression: string, timeZone: string) {
    this.text = text;
    this.#expression = expression;
    this.#timeZone = timeZone;
  }

  #at(atMs: number) {
    return CronExpressionParser.parse(this.#expression, { currentDate: new Date(atMs), tz: this.#timeZone });
  }

  next(afterMs: number): number {
    return this.#at(afterMs).next().getTime();
  }

  previous(atMs: number): number {
    // The library gives what lies before; firings stand on whole seconds.
    return this.#at(atMs + 1)
      .prev()
      .getTime();
  }
}

/** Shortest interval: what recurs more often would do nothing else. */
const everyMsMin = 1_000;

function parseEvery(text: string, duration: string): Cron | string {
  const ms = parseDuration(duration);
  if (typeof ms === 'string') return ms;
  if (ms < everyMsMin) return 'an interval of at least 1s is wanted';
  // Reckoned from 1970, so that a restart neither shifts nor repeats a firing.
  return {
    text,
    next: (afterMs) => (Math.floor(afterMs / ms) + 1) * ms,
    previous: (atMs) => Math.floor(atMs / ms) * ms,
  };
}
