/**
 * The layout of a BanyanDB tree file (`state-tree.data`, as releases 0.9.0 and later write it), read only:
 *
 *     leaf section   of every non-empty slot, ascending: per leaf in tuple order
 *                    int64 length of the rest, string entity (`group/name/id`), string digest
 *     slot section   per non-empty slot, ascending
 *                    int64 length of the rest, svarint slot number, string digest, svarint offset of its
 *                    first leaf, svarint leaf count
 *     root           string digest
 *     footer         svarint end of the leaf section, svarint slot count, svarint end of the slot section,
 *                    svarint root length
 *     trailer        int64 footer length
 *
 * int64 is little-endian, a string is a uvarint length and bytes, a digest 128 digits of lowercase hex. Slot digests
 * are composed of leaf digests and the root of slot digests (property/tree-digest.ts).
 *
 * The file has no checksum, and BanyanDB writes it in place and never shortens it: an old footer may lie behind new
 * leaves. So everything that can contradict anything else is checked here and in tree-file-view.ts.
 */
import { CodedError } from '../lib/coded-error.ts';
import { damagedFile, type FileReader } from '../lib/file-reader.ts';
import { varintBytesMax } from '../lib/varint.ts';
import { entityBytesMax } from '../property/entity.ts';
import { slotsMax } from '../property/group-settings.ts';
import { DigestComposer } from '../property/tree-digest.ts';
import type { SlotSummary } from '../shard-copy/shard-copy.ts';
import { digestRecordBytes, RecordCursor } from './record-cursor.ts';

/** Bytes of an int64: the length before a record, and the trailer. */
export const int64Bytes = 8;

/** Leaf records: smallest with an entity such as `g/n/i`; entities above our own ceiling are refused. */
export const leafLimits: RecordLimits = {
  minimum: int64Bytes + 1 + 5 + digestRecordBytes,
  maximum: int64Bytes + 2 + entityBytesMax + digestRecordBytes,
};

const slotLimits: RecordLimits = {
  minimum: int64Bytes + 1 + digestRecordBytes + 2,
  maximum: int64Bytes + digestRecordBytes + 3 * varintBytesMax,
};
const footerBytesMin = 4;
export const footerBytesMax = 4 * varintBytesMax;

/** A slot and the bytes of the leaf section that hold its leaves. */
export interface SlotRange extends SlotSummary {
  readonly start: number;
  readonly end: number;
}

/** Everything but the leaves. */
export interface TreeLayout {
  /** Ascending slot numbers; at least one. */
  readonly slots: readonly SlotRange[];
  /** 64 bytes. */
  readonly root: Buffer;
  readonly leaves: number;
}

/** Where the sections lie; the root lies between `slotEnd` and the footer. */
export interface TreeFooter {
  readonly leafEnd: number;
  readonly slotCount: number;
  readonly slotEnd: number;
}

/** Reads trailer and footer and checks them against the file's size. Throws `damaged-file`, `too-large`. */
export async function readFooter(file: FileReader): Promise<TreeFooter> {
  const { path, size } = file;
  const smallest = leafLimits.minimum + slotLimits.minimum + digestRecordBytes + footerBytesMin + int64Bytes;
  if (size < smallest)
    throw damagedFile(path, 0, `it has ${size} bytes, a tree file has at least ${smallest}`);
  const trailerOffset = size - int64Bytes;
  const footerBytes = (await file.read(trailerOffset, int64Bytes)).readBigInt64LE();
  if (footerBytes < BigInt(footerBytesMin) || footerBytes > BigInt(footerBytesMax)) {
    throw damagedFile(path, trailerOffset, `a footer of ${footerBytes} bytes is impossible`);
  }
  const footerOffset = trailerOffset - Number(footerBytes);
  const footer = new RecordCursor(path, await file.read(footerOffset, Number(footerBytes)), footerOffset);
  const rootOffset = footerOffset - digestRecordBytes;
  const leafEnd = footer.number('the end of the leaf section', leafLimits.minimum, rootOffset);
  const slotCount = footer.number('the slot count', 1, size);
  const slotEnd = footer.number('the end of the slot section', rootOffset, rootOffset);
  footer.number('the length of the root', digestRecordBytes, digestRecordBytes);
  footer.end('the footer');
  const sectionBytes = slotEnd - leafEnd;
  if (sectionBytes < slotCount * slotLimits.minimum || sectionBytes > slotCount * slotLimits.maximum) {
    throw damagedFile(
      path,
      leafEnd,
      `a slot section of ${sectionBytes} bytes does not hold ${slotCount} slots`,
    );
  }
  if (slotCount > slotsMax) {
    throw new CodedError('too-large', `${path} has ${slotCount} slots, at most ${slotsMax} are read`, {
      path,
    });
  }
  return { leafEnd, slotCount, slotEnd };
}

/** Reads and checks everything but the leaves. Throws `damaged-file`, `too-large`. */
export async function readTreeLayout(file: FileReader): Promise<TreeLayout> {
  const footer = await readFooter(file);
  const { leafEnd, slotEnd } = footer;
  // Within the ceiling of one read, as slotsMax slot records are.
  const bytes = await file.read(leafEnd, slotEnd - leafEnd);
  const slots = readSlots({ path: file.path, bytes, fileOffset: leafEnd }, footer);
  const rootRecord = new RecordCursor(file.path, await file.read(slotEnd, digestRecordBytes), slotEnd);
  const root = rootRecord.digest('the root');
  const composer = new DigestComposer();
  let leaves = 0;
  for (const slot of slots) {
    composer.update(slot.digest);
    leaves += slot.leaves;
  }
  if (!composer.finish().equals(root)) {
    throw damagedFile(file.path, slotEnd, 'the root does not fit the digests of the slots');
  }
  return { slots, root, leaves };
}

interface SlotRecord extends SlotSummary {
  readonly start: number;
  readonly offset: number;
}

function readSlots(section: RecordSection, { leafEnd, slotCount }: TreeFooter): SlotRange[] {
  const { path } = section;
  const records: SlotRecord[] = [];
  let position = 0;
  for (let index = 0; index < slotCount; index++) {
    const offset = leafEnd + position;
    const bytes = recordAt(section, position, slotLimits);
    if (bytes === null) throw damagedFile(path, offset, `the slot section ends within slot record ${index}`);
    const record = new RecordCursor(path, bytes.subarray(int64Bytes), offset + int64Bytes);
    const previous = records.at(-1);
    const slot = record.number('the slot number', previous ? previous.slot + 1 : 0, slotsMax - 1);
    const digest = record.digest('the slot digest');
    const start = record.number(
      'the offset of the first leaf',
      previous ? previous.start + leafLimits.minimum : 0,
      leafEnd,
    );
    const leaves = record.number('the leaf count', 1, Math.floor(leafEnd / leafLimits.minimum));
    record.end('the slot record');
    records.push({ slot, digest, leaves, start, offset });
    position += bytes.length;
  }
  if (position !== section.bytes.length) {
    throw damagedFile(path, leafEnd + position, `the slot section goes on after its ${slotCount} records`);
  }
  if (records[0]?.start !== 0)
    throw damagedFile(path, leafEnd, 'the first slot does not begin at the first byte');
  return records.map(({ slot, digest, leaves, start, offset }, index) => {
    const end = records[index + 1]?.start ?? leafEnd;
    if (end - start < leaves * leafLimits.minimum || end - start > leaves * leafLimits.maximum) {
      throw damagedFile(path, offset, `slot ${slot} cannot hold ${leaves} leaves in ${end - start} bytes`);
    }
    return { slot, digest, leaves, start, end };
  });
}

/** Bytes of a file that hold records, and where they begin in it. */
export interface RecordSection {
  readonly path: string;
  readonly bytes: Buffer;
  readonly fileOffset: number;
}

/** Bytes a record may have, its length before it included. */
export interface RecordLimits {
  readonly minimum: number;
  readonly maximum: number;
}

/** The record at `position` of the section, its length before it included, or null when the section ends within it. */
export function recordAt(section: RecordSection, position: number, limits: RecordLimits): Buffer | null {
  const { path, bytes, fileOffset } = section;
  if (position + int64Bytes > bytes.length) return null;
  const length = bytes.readBigInt64LE(position) + BigInt(int64Bytes);
  if (length < BigInt(limits.minimum) || length > BigInt(limits.maximum)) {
    const range = `${limits.minimum} to ${limits.maximum}`;
    throw damagedFile(
      path,
      fileOffset + position,
      `a record of ${length} bytes is impossible, it has ${range}`,
    );
  }
  const end = position + Number(length);
  return end > bytes.length ? null : bytes.subarray(position, end);
}
