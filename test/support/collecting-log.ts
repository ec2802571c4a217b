/** A log that keeps its lines, for tests that say what must be told. */
import type { Log } from '../../src/lib/log.ts';

export interface LogLine {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: object;
}

export function collectingLog(lines: LogLine[]): Log {
  const at =
    (level: keyof Log) =>
    (fields: object, message: string): void => {
      lines.push({ level, message, fields });
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
