/**
 * Cuts the elements out of a JSON array, or out of objects that stand one after another over several lines,
 * whatever the borders of the chunks. It knows brackets and strings only; whether an element is JSON is seen
 * when it is parsed.
 */
import { type RecordText, TextPieces } from './cut-lines.ts';

/** `array`: begins with `[`, elements are separated by commas. `sequence`: objects with only white space between. */
export type ElementsForm = 'array' | 'sequence';

// Where the cutter is between two bytes.
type State = 'opening' | 'first' | 'element' | 'inside' | 'after' | 'done' | 'stopped';

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const lineFeed = 0x0a;
const closingBracket = 0x5d;

export class ElementCutter {
  readonly #form: ElementsForm;
  readonly #pieces = new TextPieces();
  #state: State;
  #line: number;
  #startLine = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #out: RecordText[] = [];

  constructor(form: ElementsForm, firstLine: number) {
    this.#form = form;
    this.#line = firstLine;
    this.#state = form === 'array' ? 'opening' : 'element';
  }

  /** The elements that end in this chunk, and what is wrong between them. */
  push(chunk: Uint8Array): RecordText[] {
    let position = 0;
    while (position < chunk.length && this.#state !== 'stopped') {
      position =
        this.#state === 'inside' ? this.#scanInside(chunk, position) : this.#scanBetween(chunk, position);
    }
    return this.#take();
  }

  /** What is still open when the input ends. */
  end(): RecordText[] {
    if (this.#state === 'inside') {
      const text = this.#pieces.take(this.#startLine);
      const open = this.#depth > 0 || this.#inString;
      this.#out.push(
        open
          ? {
              line: this.#startLine,
              fault: 'the record that begins here does not end',
              value: previewOf(text),
            }
          : text,
      );
    }
    if (this.#form === 'array' && this.#state !== 'done' && this.#state !== 'stopped') {
      this.#fault('the array does not end: its closing bracket is missing', null);
    }
    this.#state = 'stopped';
    return this.#take();
  }

  #take(): RecordText[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #fault(fault: string, value: string | null): void {
    this.#out.push({ line: this.#line, fault, value });
  }

  /** Scans from `start`, inside an element, to its end or that of the chunk; returns where it stopped. */
  #scanInside(chunk: Uint8Array, start: number): number {
    let position = start;
    for (; position < chunk.length; position += 1) {
      const byte = chunk[position];
      if (this.#inString) {
        if (byte === lineFeed) this.#line += 1;
        if (this.#escaped) this.#escaped = false;
        else if (byte === backslash) this.#escaped = true;
        else if (byte === quote) this.#inString = false;
      } else if (byte === quote) {
        this.#inString = true;
      } else if (byte === 0x7b || byte === 0x5b) {
        this.#depth += 1;
      } else if (this.#depth === 0) {
        // Not an object and not an array, so no record; it ends where the next thing must begin.
        if (byte === closingBracket || byte === comma || byte === lineFeed) {
          return this.#finish(chunk, start, position);
        }
      } else if (byte === 0x7d || byte === closingBracket) {
        this.#depth -= 1;
        if (this.#depth === 0) return this.#finish(chunk, start, position + 1);
      } else if (byte === lineFeed) {
        this.#line += 1;
      }
    }
    this.#pieces.add(chunk.subarray(start, position));
    return position;
  }

  #finish(chunk: Uint8Array, start: number, end: number): number {
    this.#pieces.add(chunk.subarray(start, end));
    this.#out.push(this.#pieces.take(this.#startLine));
    this.#state = this.#form === 'array' ? 'after' : 'element';
    return end;
  }

  /** Takes one byte between elements; returns where to go on. */
  #scanBetween(chunk: Uint8Array, position: number): number {
    const byte = chunk[position] ?? 0;
    if (byte === lineFeed) this.#line += 1;
    if (byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === lineFeed) return position + 1;
    if (this.#form === 'sequence') return this.#begin(position);
    switch (this.#state) {
      case 'opening':
        this.#state = 'first';
        return position + 1;
      case 'done':
        this.#fault('there is text after the end of the array', textOf(chunk.subarray(position)));
        this.#state = 'stopped';
        return position;
      case 'after':
        if (byte === comma) this.#state = 'element';
        else if (byte === closingBracket) this.#state = 'done';
        else return this.#missingComma(chunk, position);
        return position + 1;
      default:
        return this.#expectElement(byte, chunk, position);
    }
  }

  #missingComma(chunk: Uint8Array, position: number): number {
    this.#fault('a comma is missing between two records', textOf(chunk.subarray(position)));
    return this.#begin(position);
  }

  #expectElement(byte: number, chunk: Uint8Array, position: number): number {
    if (byte !== comma && byte !== closingBracket) return this.#begin(position);
    if (this.#state === 'element' || byte === comma) {
      this.#fault('a record is missing beside a comma', textOf(chunk.subarray(position)));
    }
    this.#state = byte === comma ? 'element' : 'done';
    return position + 1;
  }

  #begin(position: number): number {
    this.#state = 'inside';
    this.#startLine = this.#line;
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
    return position;
  }
}

// Bytes of input that a fault shows; the value is shortened further where it is told.
const shownBytesMax = 256;

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, shownBytesMax)).toString('utf8');
}

function previewOf(text: RecordText): string | null {
  return 'bytes' in text ? textOf(text.bytes) : text.value;
}
