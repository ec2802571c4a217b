/** The header section of a tree file: what the tree is of. JSON, so that any tool can read the start of a file. */
import { CodedError } from '../lib/coded-error.ts';
import { checkGroupSettings } from '../property/group-settings.ts';
import type { Spelling } from '../property/source-json.ts';
import type { Watermark } from '../property/watermark.ts';
import { damaged, formatVersion, headerBytesMax, headMagic, type Place } from './tree-format.ts';

export interface TreeHeader {
  readonly group: string;
  readonly shard: number;
  /** Shard count of the group. */
  readonly shards: number;
  /** Slot count of the scheme XXH64, seed 0. */
  readonly slots: number;
  readonly spelling: Spelling;
  readonly generation: bigint;
  /** Of the snapshot the tree was built from. */
  readonly watermark: Watermark;
  readonly builtAtMs: number;
}

/** Magic, format version (u32), length (u32), JSON. */
export function encodeHeader(header: TreeHeader): Buffer {
  const json = Buffer.from(
    JSON.stringify({
      group: header.group,
      shard: header.shard,
      shards: header.shards,
      slotScheme: { hash: 'xxh64', seed: '0', slots: header.slots },
      spelling: header.spelling,
      generation: String(header.generation),
      watermark: { sequence: String(header.watermark.sequence), token: header.watermark.token },
      builtAtMs: header.builtAtMs,
    }),
  );
  const head = Buffer.alloc(16);
  head.set(headMagic, 0);
  head.writeUInt32LE(formatVersion, 8);
  head.writeUInt32LE(json.length, 12);
  return Buffer.concat([head, json]);
}

/** Inverse of {@link encodeHeader}. Throws `newer-format`, `damaged-file`. */
export function decodeHeader(bytes: Buffer, place: Place): TreeHeader {
  checkHead(bytes, place);
  const header = parseJson(bytes.toString('utf8', 16), place);
  const scheme = membersOf(header['slotScheme']);
  const { hash, seed, slots } = scheme;
  if (typeof hash !== 'string' || typeof seed !== 'string')
    throw damaged(place, 'its header has no slot scheme');
  if (hash !== 'xxh64' || seed !== '0') {
    throw new CodedError(
      'newer-format',
      `tree file ${place.path} has slot scheme ${JSON.stringify(scheme)}`,
      { path: place.path },
    );
  }
  const { group, shard, shards, spelling, generation, builtAtMs } = header;
  const { sequence, token } = membersOf(header['watermark']);
  if (typeof group !== 'string' || typeof token !== 'string')
    throw damaged(place, 'its header names no group or token');
  if (!isCount(shard) || !isCount(shards) || !isCount(slots) || !isCount(builtAtMs)) {
    throw damaged(place, 'its header lacks a number');
  }
  if (!isUint64(generation) || !isUint64(sequence))
    throw damaged(place, 'its header has no generation or sequence');
  if (spelling !== 'compact' && spelling !== 'spaced')
    throw damaged(place, `spelling ${JSON.stringify(spelling)}`);
  try {
    checkGroupSettings({ shards, slots });
  } catch (error) {
    throw damaged(place, CodedError.from(error).message);
  }
  const watermark = { sequence: BigInt(sequence), token };
  return { group, shard, shards, slots, spelling, generation: BigInt(generation), watermark, builtAtMs };
}

function parseJson(text: string, place: Place): Readonly<Record<string, unknown>> {
  try {
    return membersOf(JSON.parse(text));
  } catch (error) {
    throw new CodedError(
      'damaged-file',
      `the header of tree file ${place.path} is no JSON`,
      { path: place.path },
      { cause: error },
    );
  }
}

function membersOf(json: unknown): Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isUint64(value: unknown): value is string {
  return typeof value === 'string' && /^\d{1,20}$/.test(value) && BigInt(value) < 2n ** 64n;
}

function checkHead(bytes: Buffer, place: Place): void {
  if (bytes.length < 16 || bytes.length > headerBytesMax)
    throw damaged(place, `a header of ${bytes.length} bytes`);
  if (!bytes.subarray(0, 8).equals(headMagic)) throw damaged(place, 'it does not begin as a tree file does');
  checkFormatVersion(bytes.readUInt32LE(8), place);
  if (bytes.readUInt32LE(12) !== bytes.length - 16) throw damaged(place, 'the header length is wrong');
}

/** Refuses a file of a later layout by name. */
export function checkFormatVersion(version: number, place: Place): void {
  if (version === formatVersion) return;
  if (version < 1 || version > 0xffff) throw damaged(place, `format version ${version}`);
  throw new CodedError(
    'newer-format',
    `tree file ${place.path} has format version ${version}; this program knows ${formatVersion}`,
    {
      path: place.path,
      value: version,
    },
  );
}
