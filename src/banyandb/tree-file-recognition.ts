/**
 * Recognises BanyanDB tree files of the layouts before release 0.9.0 by their content, and refuses them by name. They
 * differ from those that are read in framing:
 * - lines: leaf and slot records end in a newline and have no length before them;
 * - unframed: the footer's length is one byte, records have no framing at all, digests are raw bytes.
 */
import { CodedError } from '../lib/coded-error.ts';
import type { FileReader } from '../lib/file-reader.ts';
import { decodeSvarint } from '../lib/varint.ts';
import { footerBytesMax, int64Bytes } from './tree-file.ts';

/** Which builds wrote what is not read. */
const olderLayouts = {
  lines: 'records ended by newlines, as builds of July and August 2025 wrote them',
  unframed: 'records without framing, as a draft of July 2025 wrote them',
} as const;

const newline = 0x0a;

/** Throws `bad-argument` when the file is certainly of a layout that is not read. */
export async function refuseOlderLayout(file: FileReader): Promise<void> {
  const layout = await olderLayoutOf(file);
  if (layout === null) return;
  throw new CodedError(
    'bad-argument',
    `${file.path} is a BanyanDB tree of a layout older than release 0.9.0: ${olderLayouts[layout]}; it is not read`,
    { path: file.path, layout },
  );
}

async function olderLayoutOf(file: FileReader): Promise<keyof typeof olderLayouts | null> {
  const tail = await file.read(
    Math.max(0, file.size - footerBytesMax - int64Bytes),
    Math.min(file.size, footerBytesMax + int64Bytes),
  );
  if (isUnframed(tail, file.size)) return 'unframed';
  const ends = longTrailerSections(tail, file.size);
  if (ends === null) return null;
  const lastOfLeaves = await file.read(ends.leafEnd - 1, 1);
  const lastOfSlots = await file.read(ends.slotEnd - 1, 1);
  // A framed leaf ends in a hex digit, never in a newline.
  return lastOfLeaves[0] === newline && lastOfSlots[0] === newline ? 'lines' : null;
}

interface SectionEnds {
  readonly leafEnd: number;
  readonly slotEnd: number;
}

/** Ends of the sections by a footer whose length is an int64 behind it, or null. */
function longTrailerSections(tail: Buffer, size: number): SectionEnds | null {
  if (tail.length < int64Bytes) return null;
  const footerBytes = tail.readBigInt64LE(tail.length - int64Bytes);
  if (footerBytes < 1n || footerBytes > BigInt(tail.length - int64Bytes)) return null;
  const end = tail.length - int64Bytes;
  const fields = svarints(tail.subarray(end - Number(footerBytes), end));
  if (fields === null) return null;
  const [leafEnd, , slotEnd, rootBytes] = fields;
  const inOrder = 0 < leafEnd && leafEnd < slotEnd && rootBytes > 0;
  const fits = slotEnd + rootBytes + Number(footerBytes) + int64Bytes === size;
  return inOrder && fits ? { leafEnd, slotEnd } : null;
}

/** The layout with one byte of footer length: its footer tells the slot section's bytes where others tell its count. */
function isUnframed(tail: Buffer, size: number): boolean {
  const footerBytes = tail.at(-1) ?? 0;
  if (footerBytes < 1 || footerBytes > tail.length - 1) return false;
  const fields = svarints(tail.subarray(tail.length - 1 - footerBytes, tail.length - 1));
  if (fields === null) return false;
  const [leafEnd, slotBytes, slotEnd, rootBytes] = fields;
  const inOrder = leafEnd > 0 && slotBytes > 0 && rootBytes > 0;
  return inOrder && leafEnd + slotBytes === slotEnd && slotEnd + rootBytes + footerBytes + 1 === size;
}

/** The four svarints that fill `bytes` exactly, as safe numbers, or null. */
function svarints(bytes: Buffer): [number, number, number, number] | null {
  const values: number[] = [];
  let position = 0;
  while (position < bytes.length) {
    const varint = decodeSvarint(bytes, position);
    if (typeof varint === 'string') return null;
    values.push(Number(varint.value));
    position = varint.end;
  }
  const [first, second, third, fourth] = values;
  if (values.length !== 4 || first === undefined || second === undefined) return null;
  if (third === undefined || fourth === undefined || !values.every(Number.isSafeInteger)) return null;
  return [first, second, third, fourth];
}
