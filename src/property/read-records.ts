/**
 * Reads the records of one file: NDJSON, or a JSON array, or objects spread over several lines, told apart
 * by their beginning. Streams, so that memory is bounded by the longest record. Everything wrong is yielded
 * in its place, so that a caller can list all problems of a file.
 */
import { isUtf8 } from 'node:buffer';
import { ElementCutter } from './cut-elements.ts';
import { LineCutter, type RecordText } from './cut-lines.ts';
import { findDuplicateMembers } from './duplicate-members.ts';
import type { LoadRecord } from './record.ts';
import { type RecordProblem, shortenText } from './record-problem.ts';
import { validateRecord } from './validate-record.ts';
import { withWrittenNumbers } from './written-numbers.ts';

/** A problem with its place: `line` counts from 1 and is where the record begins. */
export interface FileProblem extends RecordProblem {
  readonly file: string;
  readonly line: number;
}

/** One record of a file, or what is wrong with it. */
export type RecordLine =
  | { readonly line: number; readonly record: LoadRecord }
  | { readonly line: number; readonly problems: readonly FileProblem[] };

/** The records of `file` (a name for problems only), whose bytes are `chunks`, in order. */
export async function* readRecords(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<RecordLine> {
  const opening = new Opening();
  let cutter: LineCutter | ElementCutter | null = null;
  for await (const chunk of chunks) {
    let rest = chunk;
    if (cutter === null) {
      cutter = opening.push(chunk);
      if (cutter === null) continue;
      rest = opening.head;
    }
    for (const text of cutter.push(rest)) yield* recordOf(file, text);
  }
  if (cutter === null) {
    cutter = new LineCutter(opening.line);
    for (const text of cutter.push(opening.head)) yield* recordOf(file, text);
  }
  for (const text of cutter.end()) yield* recordOf(file, text);
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);
// Spaces after an opening brace that are looked at for its line's end; nobody indents that far.
const headBytesMax = 4_096;

/** The beginning of a file, up to where its form is known. */
class Opening {
  /** Line of the first byte of {@link head}. */
  line = 1;
  /** What was read and not passed over: begins with the first byte that is no white space. */
  head: Buffer = Buffer.alloc(0);
  #markPassed = false;

  /** The cutter for the file's form; null while more must be read to know it. */
  push(chunk: Uint8Array): LineCutter | ElementCutter | null {
    this.head = Buffer.concat([this.head, chunk]);
    if (!this.#passMark()) return null;
    this.#passSpace();
    if (this.head.length === 0) return null;
    if (this.head[0] === 0x5b) return new ElementCutter('array', this.line);
    if (this.head[0] !== 0x7b) return new LineCutter(this.line);
    // A line that is only an opening brace begins an object spread over lines; NDJSON has none.
    let position = 1;
    while (isSpaceInLine(this.head[position])) position += 1;
    if (position < this.head.length) {
      return this.head[position] === 0x0a
        ? new ElementCutter('sequence', this.line)
        : new LineCutter(this.line);
    }
    return position > headBytesMax ? new LineCutter(this.line) : null;
  }

  #passMark(): boolean {
    if (this.#markPassed) return true;
    const begins = byteOrderMark.subarray(0, this.head.length).equals(this.head.subarray(0, 3));
    if (begins && this.head.length < byteOrderMark.length) return false;
    if (begins) this.head = this.head.subarray(byteOrderMark.length);
    this.#markPassed = true;
    return true;
  }

  #passSpace(): void {
    let position = 0;
    while (isSpaceInLine(this.head[position]) || this.head[position] === 0x0a) {
      if (this.head[position] === 0x0a) this.line += 1;
      position += 1;
    }
    this.head = this.head.subarray(position);
  }
}

function isSpaceInLine(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d;
}

/** Yields nothing for a blank line. */
function* recordOf(file: string, text: RecordText): Generator<RecordLine> {
  const { line } = text;
  const wrong = (value: string | null, message: string): RecordLine => {
    return {
      line,
      problems: [{ file, line, field: '', value: value === null ? null : shortenText(value), message }],
    };
  };
  if ('fault' in text) {
    yield wrong(text.value, text.fault);
    return;
  }
  const json = text.bytes.toString('utf8');
  if (!isUtf8(text.bytes)) {
    yield wrong(json, 'is not UTF-8');
    return;
  }
  if (json.trim() === '') return;
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    yield wrong(json, `is not JSON: ${shortenText(error instanceof Error ? error.message : String(error))}`);
    return;
  }
  const validated = validateRecord(parsed);
  const problems = 'problems' in validated ? [...withWrittenNumbers(validated.problems, json)] : [];
  // JSON that is written back the same cannot hold a member twice. Only records of good form are written
  // back: they are never nested deeply.
  if (!('record' in validated) || JSON.stringify(parsed) !== json) {
    for (const { field, name } of findDuplicateMembers(json)) {
      problems.push({ field, value: shortenText(name), message: 'stands twice in the same object' });
    }
  }
  if ('record' in validated && problems.length === 0) yield { line, record: validated.record };
  else yield { line, problems: problems.map((problem) => ({ file, line, ...problem })) };
}
