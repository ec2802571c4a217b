/** Points in time as text: RFC 3339 in, the one protobuf JSON spelling out. */
import { CodedError } from '../lib/coded-error.ts';
import type { Timestamp } from './property.ts';

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, the range protobuf sets. */
export const timestampSecondsMin = -62_135_596_800n;
export const timestampSecondsMax = 253_402_300_799n;

// `2023-11-14T22:13:20.123456789+23:59` is the longest form; checked before the pattern runs.
const timestampCharactersMax = 35;
const timestampPattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** Null unless the text is an RFC 3339 time within years 0001 to 9999 with at most 9 digits of fraction. */
export function parseTimestamp(text: string): Timestamp | null {
  if (text.length > timestampCharactersMax) return null;
  const match = timestampPattern.exec(text);
  if (match === null) return null;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [hour, minute, second] = [Number(match[4]), Number(match[5]), Number(match[6])];
  const [offsetHour, offsetMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return null;
  // setUTCFullYear, because Date.UTC takes years below 100 for 19xx.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const offset = (offsetHour * 3600 + offsetMinute * 60) * (match[8] === '-' ? -1 : 1);
  const seconds = BigInt(date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset);
  if (seconds < timestampSecondsMin || seconds > timestampSecondsMax) return null;
  return { seconds, nanos: match[7] === undefined ? 0 : Number(match[7].padEnd(9, '0')) };
}

/**
 * UTC with 0, 3, 6 or 9 digits of fraction. Throws `bad-records` for a time outside the range, which can
 * come from a message but never from parsed text.
 */
export function spellTimestamp(timestamp: Timestamp): string {
  const { seconds, nanos } = timestamp;
  const nanosFit = Number.isInteger(nanos) && nanos >= 0 && nanos <= 999_999_999;
  if (seconds < timestampSecondsMin || seconds > timestampSecondsMax || !nanosFit) {
    throw new CodedError('bad-records', `a timestamp of ${seconds} s and ${nanos} ns is out of range`, {
      field: 'timestamp',
      value: `${seconds}s ${nanos}ns`,
    });
  }
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  if (nanos === 0) return `${whole}Z`;
  const digits = nanos % 1_000_000 === 0 ? 3 : nanos % 1_000 === 0 ? 6 : 9;
  return `${whole}.${nanos.toString().padStart(9, '0').slice(0, digits)}Z`;
}

/** The instant of a revision, nanoseconds since 1970. */
export function timestampOfNs(ns: bigint): Timestamp {
  const nanos = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { seconds: (ns - nanos) / 1_000_000_000n, nanos: Number(nanos) };
}
