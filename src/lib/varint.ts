/**
 * Variable-length integers as BanyanDB and protobuf write them: unsigned LEB128, and zigzag over it for signed
 * values. Values are bigint throughout: JavaScript's shifts are 32 bits wide. Only the shortest form is accepted,
 * as no writer gives another and one value then has one spelling.
 */
import { assert } from './assert.ts';

/** Bytes of the longest 64-bit varint. */
export const varintBytesMax = 10;

const uint64Max = (1n << 64n) - 1n;

/** A decoded varint and the offset of the byte after it. */
export interface Varint {
  readonly value: bigint;
  readonly end: number;
}

/** Why bytes are no varint: they end within it, or it is longer than 64 bits or than its value needs. */
export type VarintFault = 'cut' | 'too-long';

/** Unsigned LEB128 of `value`, 0 to 2^64 - 1. */
export function encodeUvarint(value: bigint): Buffer {
  assert(value >= 0n && value <= uint64Max, 'a uvarint holds 0 to 2^64 - 1');
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** Inverse of {@link encodeUvarint} at `offset` of `bytes`. */
export function decodeUvarint(bytes: Uint8Array, offset: number): Varint | VarintFault {
  const first = bytes[offset];
  if (first === undefined) return 'cut';
  if (first < 0x80) return { value: BigInt(first), end: offset + 1 };
  let value = BigInt(first & 0x7f);
  for (let index = 1; index < varintBytesMax; index++) {
    const byte = bytes[offset + index];
    if (byte === undefined) return 'cut';
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte >= 0x80) continue;
    return byte === 0 || value > uint64Max ? 'too-long' : { value, end: offset + index + 1 };
  }
  return 'too-long';
}

/** Zigzag varint of an int64. */
export function encodeSvarint(value: bigint): Buffer {
  assert(BigInt.asIntN(64, value) === value, 'an svarint holds an int64');
  return encodeUvarint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
}

/** Inverse of {@link encodeSvarint} at `offset` of `bytes`. */
export function decodeSvarint(bytes: Uint8Array, offset: number): Varint | VarintFault {
  const zigzag = decodeUvarint(bytes, offset);
  if (typeof zigzag === 'string') return zigzag;
  const half = zigzag.value >> 1n;
  return { value: (zigzag.value & 1n) === 0n ? half : -half - 1n, end: zigzag.end };
}
