/** Cuts NDJSON into its lines, whatever the borders of the chunks it comes in. */

/** A stretch of input that should hold one record, or what is wrong where one should be. */
export type RecordText =
  | { readonly line: number; readonly bytes: Buffer }
  | { readonly line: number; readonly fault: string; readonly value: string | null };

/** Ceiling of one record's text: a property of 1 MiB, every byte of it escaped as six, twice over. */
export const recordTextBytesMax = 16 * 1024 * 1024;

/** What was wrong with a record that is too long to be kept in memory. */
export const tooLongFault = `the record is longer than ${recordTextBytesMax} bytes`;

/** Gathers the pieces of one record across chunks, and drops them once they are too many. */
export class TextPieces {
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** Adds a piece, which is copied: a chunk may be used again by who gave it. */
  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes > recordTextBytesMax) this.#pieces = [];
    else if (piece.length > 0) this.#pieces.push(Buffer.from(piece));
  }

  /** The record begun at `line`, and an empty gathering again. */
  take(line: number): RecordText {
    const text =
      this.#bytes > recordTextBytesMax
        ? { line, fault: tooLongFault, value: null }
        : { line, bytes: Buffer.concat(this.#pieces) };
    this.#pieces = [];
    this.#bytes = 0;
    return text;
  }
}

export class LineCutter {
  readonly #pieces = new TextPieces();
  #line: number;

  constructor(firstLine: number) {
    this.#line = firstLine;
  }

  /** The lines that end in this chunk, without their line feed; blank ones included. */
  push(chunk: Uint8Array): RecordText[] {
    const lines: RecordText[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      this.#pieces.add(chunk.subarray(start, end));
      lines.push(this.#pieces.take(this.#line));
      this.#line += 1;
      start = end + 1;
    }
    this.#pieces.add(chunk.subarray(start));
    return lines;
  }

  /** The last line, which needs no line feed. */
  end(): RecordText[] {
    return [this.#pieces.take(this.#line)];
  }
}
