/**
 * What a command says: data on stdout (a readable text, or with `--json` one object a line), talk on stderr.
 * Progress is one line that is rewritten on a terminal, and a line every few seconds elsewhere.
 */
import type { Clock } from '../lib/clock.ts';
import type { CodedError } from '../lib/coded-error.ts';
import { jsonLine } from '../lib/json-line.ts';

/** Where text goes; the process's streams outside tests. */
export interface OutputStream {
  write(text: string): boolean;
  once(event: 'drain', listener: () => void): unknown;
  readonly isTTY?: boolean | undefined;
}

const terminalProgressMs = 100;
const plainProgressMs = 5_000;

export class Output {
  readonly json: boolean;
  readonly #stdout: OutputStream;
  readonly #stderr: OutputStream;
  readonly #clock: Clock;
  #progressAtMs: number;
  #progressShown = false;

  constructor(options: { json: boolean; stdout: OutputStream; stderr: OutputStream; clock: Clock }) {
    this.json = options.json;
    this.#stdout = options.stdout;
    this.#stderr = options.stderr;
    this.#clock = options.clock;
    // A command that ends at once needs no progress outside a terminal.
    this.#progressAtMs = options.clock.monotonicMs();
  }

  /** One result: an object with `--json`, else its readable form (none when null). Waits while the reader is slow. */
  async result(value: Readonly<Record<string, unknown>>, readable: string | null): Promise<void> {
    if (this.json) await this.#write(jsonLine(value, jsonValue));
    else if (readable !== null) await this.#write(`${shown(readable)}\n`);
  }

  /** The last line of a verb that reports more than one thing. */
  summary(value: Readonly<Record<string, unknown>>, readable: string): Promise<void> {
    return this.result({ summary: value }, readable);
  }

  /** An error as the last line: on stdout with `--json`, else on stderr. */
  async error(error: CodedError): Promise<void> {
    this.endProgress();
    if (this.json) await this.#write(jsonLine({ error }, jsonValue));
    else this.#stderr.write(shown(`tallystick: ${error.message} [${error.code}]\n${problemLines(error)}`));
  }

  /** A remark for people. */
  talk(text: string): void {
    this.endProgress();
    this.#stderr.write(`${shown(text)}\n`);
  }

  /** How far long work is; shown now and then. */
  progress(text: () => string): void {
    const terminal = this.#stderr.isTTY === true;
    const now = this.#clock.monotonicMs();
    if (now - this.#progressAtMs < (terminal ? terminalProgressMs : plainProgressMs)) return;
    this.#progressAtMs = now;
    this.#stderr.write(terminal ? `\r\u001b[K${shown(text())}` : `${shown(text())}\n`);
    this.#progressShown = terminal;
  }

  /** Takes a progress line off the terminal. */
  endProgress(): void {
    if (!this.#progressShown) return;
    this.#progressShown = false;
    this.#stderr.write('\r\u001b[K');
  }

  async #write(text: string): Promise<void> {
    this.endProgress();
    if (this.#stdout.write(text)) return;
    await new Promise<void>((resolve) => this.#stdout.once('drain', resolve));
  }
}

/**
 * Text with the control characters written out, line ends excepted: what is stored is anyone's, and is not to move
 * the cursor, colour or reorder what a terminal shows.
 */
function shown(text: string): string {
  return text.replace(
    /(?!\n)[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** int64 values as decimal strings, digests as lowercase hex, absent values as null. */
function jsonValue(this: unknown, _key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value === undefined) return null;
  if (isBufferJson(value)) return Buffer.from(value.data).toString('hex');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return value;
}

// JSON.stringify calls a Buffer's own toJSON before the replacer sees it.
function isBufferJson(value: unknown): value is { type: 'Buffer'; data: number[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    value.type === 'Buffer' &&
    'data' in value
  );
}

function problemLines(error: CodedError): string {
  const problems = error.details['problems'];
  if (!Array.isArray(problems)) return '';
  return problems
    .map(
      ({ file, line, field, value, message }) =>
        `  ${file}:${line} ${field}: ${message} (${JSON.stringify(value)})\n`,
    )
    .join('');
}

/** A table with columns aligned, numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) => row.map(String));
  const widths = head.map((name, column) =>
    Math.max(name.length, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[], numeric: (column: number) => boolean): string =>
    cells
      .map((cell, column) =>
        numeric(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const isNumber = (column: number): boolean =>
    rows.length > 0 && rows.every((row) => typeof row[column] === 'number');
  return [line(head, isNumber), ...texts.map((row) => line(row, isNumber))].join('\n');
}
