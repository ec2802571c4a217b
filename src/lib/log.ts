/** Structured logs: one JSON object a line on stderr, by pino. Passed to whoever logs, never imported by name. */
import { pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';
export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

/** What a component logs with: an event's fields first, then the sentence. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Where lines go. */
export interface LogStream {
  write(line: string): unknown;
}

/** A log that names the replica in every line. */
export function createLog(options: {
  readonly name: string;
  readonly level: LogLevel;
  readonly stream: LogStream;
}): Log {
  const { name, level, stream } = options;
  return pino(
    {
      level,
      base: { name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => void stream.write(line) },
  );
}
