/**
 * Reads a tree file as a stream: the root at once, slots and leaves page by page in bounded memory. Whatever
 * the writer promised is checked here before an answer leaves: sizes, checksums, counts, order, and that
 * the leaves of a slot make its digest and the slots the root. Keeps one descriptor, so a collected or
 * replaced file stays readable until the reader is disposed.
 */
import { crc32 } from 'node:zlib';
import { compareBytes } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { FileReader } from '../lib/file-reader.ts';
import { DigestComposer } from '../property/tree-digest.ts';
import { unpackVersion, type Version } from '../property/version.ts';
import {
  blockChecksum,
  blockHeadBytes,
  blockPayloadBytesMax,
  damaged,
  decodeBlockHead,
  decodeFooter,
  decodeRootRecord,
  decodeSlotRecord,
  decodeTrailer,
  headerBytesMax,
  leafOverheadBytes,
  type Place,
  type RootRecord,
  rootRecordBytes,
  type SectionEntry,
  type SlotRecord,
  sectionEntryBytes,
  sectionType,
  slotRecordBytes,
  slotSectionBytesMax,
  trailerBytes,
} from './tree-format.ts';
import { decodeHeader, type TreeHeader } from './tree-header.ts';

/** A leaf of a tree of ours. */
export interface TreeLeaf extends Version {
  readonly key: Buffer;
}

export class TreeReader implements AsyncDisposable {
  readonly #file: FileReader;
  readonly header: TreeHeader;
  readonly root: RootRecord;
  readonly #leafSection: SectionEntry;
  readonly #slotSection: SectionEntry;
  #slotRecords: readonly SlotRecord[] | undefined;

  private constructor(
    file: FileReader,
    header: TreeHeader,
    root: RootRecord,
    leaves: SectionEntry,
    slots: SectionEntry,
  ) {
    this.#file = file;
    this.header = header;
    this.root = root;
    this.#leafSection = leaves;
    this.#slotSection = slots;
  }

  get path(): string {
    return this.#file.path;
  }

  /** Opens a tree file and checks header, root and footer. Throws `damaged-file`, `newer-format`, `not-found`. */
  static async open(path: string): Promise<TreeReader> {
    const file = await FileReader.open(path);
    try {
      const entries = await readSections(file);
      const headerBytes = await readSection(
        file,
        findSection(file, entries, sectionType.header),
        headerBytesMax,
      );
      const header = decodeHeader(headerBytes, { path, offset: 0 });
      const rootEntry = findSection(file, entries, sectionType.root);
      if (rootEntry.bytes !== rootRecordBytes)
        throw damaged(at(file, rootEntry), `a root record of ${rootEntry.bytes} bytes`);
      const root = decodeRootRecord(await readSection(file, rootEntry, rootRecordBytes), at(file, rootEntry));
      const leaves = findSection(file, entries, sectionType.leaves);
      const slots = findSection(file, entries, sectionType.slots);
      if (slots.bytes !== root.slots * slotRecordBytes)
        throw damaged(at(file, slots), `${slots.bytes} bytes of slots`);
      return new TreeReader(file, header, root, leaves, slots);
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Non-empty slots in ascending number, checked against the root. Held in memory: at most 6.5 MB. */
  async slots(): Promise<readonly SlotRecord[]> {
    this.#slotRecords ??= await this.#readSlots();
    return this.#slotRecords;
  }

  async #readSlots(): Promise<SlotRecord[]> {
    const place = at(this.#file, this.#slotSection);
    const bytes = await readSection(this.#file, this.#slotSection, slotSectionBytesMax);
    const records: SlotRecord[] = [];
    const composer = new DigestComposer();
    let leaves = 0;
    let previous = -1;
    let offset = this.#leafSection.offset;
    for (let position = 0; position < bytes.length; position += slotRecordBytes) {
      const record = decodeSlotRecord(bytes, position, place);
      if (record.slot <= previous || record.slot >= this.header.slots)
        throw damaged(place, `slot ${record.slot} after ${previous}`);
      if (record.generation !== this.header.generation) {
        throw new CodedError(
          'newer-format',
          `tree file ${place.path} keeps slot ${record.slot} in generation ${record.generation}`,
          {
            path: place.path,
          },
        );
      }
      if (record.offset !== offset || record.leaves < 1 || record.bytes < 1)
        throw damaged(place, `slot ${record.slot} at ${record.offset}`);
      previous = record.slot;
      offset += record.bytes;
      leaves += record.leaves;
      composer.update(record.digest);
      records.push(record);
    }
    if (offset !== this.#leafSection.offset + this.#leafSection.bytes)
      throw damaged(place, `the slots end at ${offset}`);
    if (leaves !== this.root.leaves)
      throw damaged(place, `the slots have ${leaves} leaves, the root ${this.root.leaves}`);
    if (!composer.finish().equals(this.root.root)) throw damaged(place, 'the slots do not make the root');
    return records;
  }

  /** Pages of the leaves of a slot (one of {@link slots}) in key order; nothing is left out when it ends without an error. */
  async *leavesOf(record: SlotRecord, signal?: AbortSignal): AsyncGenerator<TreeLeaf[]> {
    const composer = new DigestComposer();
    const end = record.offset + record.bytes;
    let leaves = 0;
    let previous: Buffer = Buffer.alloc(0);
    let read: Buffer = Buffer.alloc(0);
    for (let offset = record.offset; offset < end; ) {
      throwIfAborted(signal);
      // Many small blocks come with one read.
      if (!holdsBlock(read))
        read = await this.#file.read(offset, Math.min(end - offset, blockHeadBytes + blockPayloadBytesMax));
      const block = this.#takeBlock(record, read, offset);
      read = read.subarray(block.length);
      const page = this.#decodeBlock(block, offset, previous);
      for (const leaf of page) composer.update(leaf.digest);
      leaves += page.length;
      previous = page.at(-1)?.key ?? previous;
      offset += block.length;
      if (offset === end) this.#checkSlot(record, leaves, composer);
      yield page;
    }
  }

  #checkSlot(record: SlotRecord, leaves: number, composer: DigestComposer): void {
    const place = { path: this.path, offset: record.offset };
    if (leaves !== record.leaves)
      throw damaged(place, `slot ${record.slot} has ${leaves} leaves, not ${record.leaves}`);
    if (!composer.finish().equals(record.digest))
      throw damaged(place, `the leaves of slot ${record.slot} do not make its digest`);
  }

  /** The block at the start of what was read from `offset` on, checked. */
  #takeBlock(record: SlotRecord, read: Buffer, offset: number): Buffer {
    const place = { path: this.path, offset };
    if (read.length < blockHeadBytes) throw damaged(place, `a block of ${read.length} bytes`);
    const head = decodeBlockHead(read, 0);
    const bytes = blockHeadBytes + head.payloadBytes;
    if (head.slot !== record.slot)
      throw damaged(place, `a block of slot ${head.slot} in slot ${record.slot}`);
    if (bytes > read.length || head.leaves < 1)
      throw damaged(place, `a block of ${bytes} bytes and ${head.leaves} leaves`);
    const block = read.subarray(0, bytes);
    if (blockChecksum(block) !== head.checksum) throw damaged(place, 'the block checksum fails');
    return block;
  }

  #decodeBlock(block: Buffer, offset: number, before: Buffer): TreeLeaf[] {
    const page: TreeLeaf[] = [];
    let previous = before;
    for (let position = blockHeadBytes; position < block.length; ) {
      const place = { path: this.path, offset: offset + position };
      if (block.length - position < leafOverheadBytes) throw damaged(place, 'a leaf is cut');
      const keyEnd = position + 2 + block.readUInt16BE(position);
      const end = keyEnd - 2 + leafOverheadBytes;
      if (end > block.length) throw damaged(place, 'a leaf reaches beyond its block');
      const key = block.subarray(position + 2, keyEnd);
      if (compareBytes(previous, key) >= 0) throw damaged(place, 'a leaf is out of order');
      page.push({ key, ...unpackVersion(block, keyEnd) });
      previous = key;
      position = end;
    }
    if (page.length !== block.readUInt32LE(8))
      throw damaged({ path: this.path, offset }, `a block of ${page.length} leaves`);
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}

function holdsBlock(read: Buffer): boolean {
  return (
    read.length >= blockHeadBytes && read.length >= blockHeadBytes + decodeBlockHead(read, 0).payloadBytes
  );
}

async function readSections(file: FileReader): Promise<SectionEntry[]> {
  const place = { path: file.path, offset: Math.max(0, file.size - trailerBytes) };
  if (file.size < trailerBytes) throw damaged(place, `a file of ${file.size} bytes`);
  const trailer = await file.read(place.offset, trailerBytes);
  const count = decodeTrailer(trailer, file.size, place);
  const footerBytes = count * sectionEntryBytes + trailerBytes;
  const footerPlace = { path: file.path, offset: file.size - footerBytes };
  return decodeFooter(await file.read(footerPlace.offset, footerBytes), footerPlace);
}

function findSection(file: FileReader, entries: readonly SectionEntry[], type: number): SectionEntry {
  const found = entries.filter((entry) => entry.type === type);
  const [entry] = found;
  if (entry === undefined || found.length > 1)
    throw damaged({ path: file.path, offset: 0 }, `${found.length} sections of type ${type}`);
  return entry;
}

async function readSection(file: FileReader, entry: SectionEntry, bytesMax: number): Promise<Buffer> {
  if (entry.bytes > bytesMax)
    throw damaged(at(file, entry), `a section of ${entry.bytes} bytes; the ceiling is ${bytesMax}`);
  const bytes = await file.read(entry.offset, entry.bytes);
  if (crc32(bytes) !== entry.checksum) throw damaged(at(file, entry), 'the section checksum fails');
  return bytes;
}

function at(file: FileReader, entry: SectionEntry): Place {
  return { path: file.path, offset: entry.offset };
}
