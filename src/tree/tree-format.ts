/**
 * The bytes of a tree file, encode beside decode. FORMAT.md describes them and why they are so; the two
 * change together. Everything here is pure; tree-writer.ts and tree-reader.ts do the reading and writing.
 */
import { crc32 } from 'node:zlib';
import type { CodedError } from '../lib/coded-error.ts';
import { damagedFile } from '../lib/file-reader.ts';
import { slotsMax } from '../property/group-settings.ts';
import { digestBytes, packedVersionBytes } from '../property/version.ts';

export const formatVersion = 1;
export const headMagic = Buffer.from('TALLYTRE', 'latin1');
export const tailMagic = Buffer.from('TALLYEND', 'latin1');

/** Section types of the footer; readers skip types they do not know. */
export const sectionType = { header: 1, leaves: 2, slots: 3, root: 4 } as const;

/** Ceiling of the header section: names are short, and a damaged length must not make the reader allocate. */
export const headerBytesMax = 16 * 1024;

/** Ceiling of a block's payload; a leaf is at most 16 KiB of key (8 KiB of entity, each byte of the name escaped) and 82 bytes. */
export const blockPayloadBytesMax = 64 * 1024;
export const blockHeadBytes = 16;

/** Bytes of a leaf beside its key: length, packed version. */
export const leafOverheadBytes = 2 + packedVersionBytes;

export const slotRecordBytes = 100;
export const slotSectionBytesMax = slotsMax * slotRecordBytes;
export const rootRecordBytes = 1 + digestBytes + 8 + 8 + 4;
export const sectionEntryBytes = 24;
export const trailerBytes = 24;

/** Sections a footer may list: four today, room for later ones. */
export const sectionsMax = 64;

/** Where a fault stands: file and offset. */
export interface Place {
  readonly path: string;
  readonly offset: number;
}

/** A `damaged-file` error for a place in a tree file. */
export function damaged(place: Place, why: string): CodedError {
  return damagedFile(place.path, place.offset, why);
}

export interface BlockHead {
  readonly slot: number;
  readonly payloadBytes: number;
  readonly leaves: number;
  readonly checksum: number;
}

/** Fills the first 16 bytes of a block whose payload stands behind them. */
export function encodeBlockHead(block: Buffer, slot: number, leaves: number): void {
  block.writeUInt32LE(slot, 0);
  block.writeUInt32LE(block.length - blockHeadBytes, 4);
  block.writeUInt32LE(leaves, 8);
  block.writeUInt32LE(blockChecksum(block), 12);
}

export function decodeBlockHead(bytes: Buffer, offset: number): BlockHead {
  return {
    slot: bytes.readUInt32LE(offset),
    payloadBytes: bytes.readUInt32LE(offset + 4),
    leaves: bytes.readUInt32LE(offset + 8),
    checksum: bytes.readUInt32LE(offset + 12),
  };
}

/** CRC-32 over a block's slot, length, count and payload. */
export function blockChecksum(block: Buffer): number {
  return crc32(block.subarray(blockHeadBytes), crc32(block.subarray(0, 12)));
}

export interface SlotRecord {
  readonly slot: number;
  readonly leaves: number;
  /** Where the slot's blocks begin in the file of `generation`, and how many bytes they have. */
  readonly offset: number;
  readonly bytes: number;
  readonly generation: bigint;
  readonly digest: Buffer;
}

export function encodeSlotRecord(target: Buffer, position: number, record: SlotRecord): void {
  target.writeUInt32LE(record.slot, position);
  target.writeBigUInt64LE(BigInt(record.leaves), position + 4);
  target.writeBigUInt64LE(BigInt(record.offset), position + 12);
  target.writeBigUInt64LE(BigInt(record.bytes), position + 20);
  target.writeBigUInt64LE(record.generation, position + 28);
  target.set(record.digest, position + 36);
}

export function decodeSlotRecord(bytes: Buffer, position: number, place: Place): SlotRecord {
  return {
    slot: bytes.readUInt32LE(position),
    leaves: readCount(bytes, position + 4, place),
    offset: readCount(bytes, position + 12, place),
    bytes: readCount(bytes, position + 20, place),
    generation: bytes.readBigUInt64LE(position + 28),
    digest: bytes.subarray(position + 36, position + 36 + digestBytes),
  };
}

export interface RootRecord {
  /** 64 bytes, or none for an empty tree. */
  readonly root: Buffer;
  readonly leaves: number;
  readonly liveLeaves: number;
  readonly slots: number;
}

export function encodeRootRecord(record: RootRecord): Buffer {
  const bytes = Buffer.alloc(rootRecordBytes);
  bytes.writeUInt8(record.root.length, 0);
  bytes.set(record.root, 1);
  bytes.writeBigUInt64LE(BigInt(record.leaves), 65);
  bytes.writeBigUInt64LE(BigInt(record.liveLeaves), 73);
  bytes.writeUInt32LE(record.slots, 81);
  return bytes;
}

export function decodeRootRecord(bytes: Buffer, place: Place): RootRecord {
  const length = bytes.readUInt8(0);
  if (length !== 0 && length !== digestBytes) throw damaged(place, `a root of ${length} bytes`);
  const record = {
    root: bytes.subarray(1, 1 + length),
    leaves: readCount(bytes, 65, place),
    liveLeaves: readCount(bytes, 73, place),
    slots: bytes.readUInt32LE(81),
  };
  const empty = length === 0;
  if (empty !== (record.leaves === 0) || empty !== (record.slots === 0))
    throw damaged(place, 'root and counts disagree');
  if (record.liveLeaves > record.leaves || record.slots > Math.min(slotsMax, record.leaves)) {
    throw damaged(place, `${record.leaves} leaves, ${record.liveLeaves} live, in ${record.slots} slots`);
  }
  return record;
}

export interface SectionEntry {
  readonly type: number;
  readonly offset: number;
  readonly bytes: number;
  /** CRC-32 of the section; 0 for the leaf section, whose blocks carry their own. */
  readonly checksum: number;
}

/** The footer: a list of sections, then a trailer that is found from the end of the file. */
export function encodeFooter(entries: readonly SectionEntry[]): Buffer {
  const footer = Buffer.alloc(entries.length * sectionEntryBytes + trailerBytes);
  let position = 0;
  for (const entry of entries) {
    footer.writeUInt32LE(entry.type, position);
    footer.writeBigUInt64LE(BigInt(entry.offset), position + 4);
    footer.writeBigUInt64LE(BigInt(entry.bytes), position + 12);
    footer.writeUInt32LE(entry.checksum, position + 20);
    position += sectionEntryBytes;
  }
  const last = entries.at(-1);
  const fileBytes = (last === undefined ? 0 : last.offset + last.bytes) + footer.length;
  footer.writeUInt32LE(entries.length, position);
  footer.writeBigUInt64LE(BigInt(fileBytes), position + 4);
  footer.writeUInt32LE(crc32(footer.subarray(0, position + 12)), position + 12);
  footer.set(tailMagic, position + 16);
  return footer;
}

/** Number of sections a trailer promises, once its own magic, size and range are right. */
export function decodeTrailer(trailer: Buffer, fileBytes: number, place: Place): number {
  if (!trailer.subarray(16).equals(tailMagic)) throw damaged(place, 'it does not end as a tree file does');
  const written = trailer.readBigUInt64LE(4);
  if (written !== BigInt(fileBytes))
    throw damaged(place, `it has ${fileBytes} bytes and was written with ${written}`);
  const count = trailer.readUInt32LE(0);
  if (count < 4 || count > sectionsMax) throw damaged(place, `${count} sections`);
  if (count * sectionEntryBytes + trailerBytes > fileBytes)
    throw damaged(place, `${count} sections do not fit`);
  return count;
}

/** The sections of a footer, checked: checksum, and that they follow each other from 0 to the footer without a gap. */
export function decodeFooter(footer: Buffer, place: Place): SectionEntry[] {
  const end = footer.length - trailerBytes;
  if (crc32(footer.subarray(0, end + 12)) !== footer.readUInt32LE(end + 12))
    throw damaged(place, 'the footer checksum fails');
  const entries: SectionEntry[] = [];
  let next = 0;
  for (let position = 0; position < end; position += sectionEntryBytes) {
    const entry = {
      type: footer.readUInt32LE(position),
      offset: readCount(footer, position + 4, place),
      bytes: readCount(footer, position + 12, place),
      checksum: footer.readUInt32LE(position + 20),
    };
    if (entry.offset !== next)
      throw damaged(place, `section ${entry.type} begins at ${entry.offset}, not ${next}`);
    next += entry.bytes;
    entries.push(entry);
  }
  if (next !== place.offset) throw damaged(place, `the sections end at ${next}`);
  return entries;
}

function readCount(bytes: Buffer, position: number, place: Place): number {
  const value = bytes.readBigUInt64LE(position);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(place, `the number ${value}`);
  return Number(value);
}
