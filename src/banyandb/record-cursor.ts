/** Reads the fields of one record of a BanyanDB tree file in order; every fault names the file and the byte. */
import { toHex } from '../lib/bytes.ts';
import type { CodedError } from '../lib/coded-error.ts';
import { damagedFile } from '../lib/file-reader.ts';
import { decodeSvarint, decodeUvarint, type Varint, type VarintFault } from '../lib/varint.ts';
import { digestBytes } from '../property/version.ts';

/** Bytes of a digest as the file spells it: a length prefix of two bytes and lowercase hex. */
export const digestRecordBytes = 2 + 2 * digestBytes;

export class RecordCursor {
  readonly #path: string;
  readonly #bytes: Buffer;
  readonly #fileOffset: number;
  #position = 0;

  /** `bytes` is the whole record, which begins at `fileOffset` of the file. */
  constructor(path: string, bytes: Buffer, fileOffset: number) {
    this.#path = path;
    this.#bytes = bytes;
    this.#fileOffset = fileOffset;
  }

  /** An svarint from `minimum` to `maximum`, which are safe integers. */
  number(what: string, minimum: number, maximum: number): number {
    const value = this.#varint(what, decodeSvarint);
    if (value < BigInt(minimum) || value > BigInt(maximum)) {
      throw this.fault(`${what} is ${value}, not ${minimum} to ${maximum}`);
    }
    return Number(value);
  }

  /** A length-prefixed byte string that leaves `following` bytes of the record; a view into the record. */
  string(what: string, following: number): Buffer {
    const length = this.#varint(`the length of ${what}`, decodeUvarint);
    const got = this.#bytes.length - this.#position - following;
    if (length !== BigInt(got))
      throw this.fault(`${what} has ${length} bytes, its record has room for ${got}`);
    this.#position += got;
    return this.#bytes.subarray(this.#position - got, this.#position);
  }

  /** A digest in hex, as its 64 bytes. */
  digest(what: string): Buffer {
    const length = this.#varint(`the length of ${what}`, decodeUvarint);
    const hexBytes = 2 * digestBytes;
    if (length !== BigInt(hexBytes)) throw this.fault(`${what} has ${length} bytes, not ${hexBytes}`);
    const hex = this.#bytes.toString('latin1', this.#position, this.#position + hexBytes);
    const digest = Buffer.from(hex, 'hex');
    if (digest.length !== digestBytes || toHex(digest) !== hex) {
      throw this.fault(`${what} is not ${hexBytes} digits of lowercase hex`);
    }
    this.#position += hexBytes;
    return digest;
  }

  /** Throws unless the record has been read to its last byte. */
  end(what: string): void {
    const left = this.#bytes.length - this.#position;
    if (left !== 0) throw this.fault(`${what} goes on for ${left} bytes after its last field`);
  }

  /** A `damaged-file` error at the field that is read next. */
  fault(reason: string): CodedError {
    return damagedFile(this.#path, this.#fileOffset + this.#position, reason);
  }

  #varint(what: string, decode: (bytes: Buffer, offset: number) => Varint | VarintFault): bigint {
    const varint = decode(this.#bytes, this.#position);
    if (varint === 'cut') throw this.fault(`${what} is cut off`);
    if (varint === 'too-long') throw this.fault(`${what} is no varint of 64 bits in its shortest form`);
    this.#position = varint.end;
    return varint.value;
  }
}
