/**
 * The plan of a run that carries it out at once: as {@link PlanSpool} and `PlanFile` in one, in a compact form that
 * nobody else reads. Entries lie in a file, so that a plan of any length needs little memory; what there is one of
 * per shard or slot is held here. An entry is
 *
 *     u32 bytes of the rest | u8 bytes of the winner's digest | i64 revision | i64 delete time | digest
 *     | u32 slot that is unproven + 1, or 0 | u16 holders | u8 place each | u16 lackers | each | entity as text
 *
 * and a lacker: u8 place | u8 1 and 80 bytes of packed version, or u8 0 | u16 bytes of why it is held back | that text
 */
import { type FileHandle, open } from 'node:fs/promises';
import { assert } from '../lib/assert.ts';
import { CodedError } from '../lib/coded-error.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { yieldToEventLoop } from '../lib/event-loop.ts';
import { packedVersionBytes, packVersion, unpackVersion } from '../property/version.ts';
import type { SlotSummary } from '../shard-copy/shard-copy.ts';
import {
  type PlanEntry,
  type PlannedShard,
  type PlanShardCounts,
  type PlanShardHead,
  type PlanSink,
  PlanTally,
} from './plan.ts';

// Entries gathered before a write, and read at once: large enough that calls cost little.
const chunkBytes = 256 * 1024;

/** Characters of why something is held back: a sentence or two. */
const reasonLengthMax = 4_096;

/** What every entry has: its length, digest length, revision, delete time, slot, two counts. */
const fixedBytes = 4 + 1 + 8 + 8 + 4 + 2 + 2;

interface OpenShard {
  readonly head: PlanShardHead;
  readonly tally: PlanTally;
  /** Position of each place among the head's copies. */
  readonly positions: ReadonlyMap<string, number>;
  readonly unproven: Map<number, SlotSummary>;
  readonly offset: number;
}

export class RunPlan implements PlanSink, AsyncDisposable {
  readonly path: string;
  /** Those that were ended, in the order planned. */
  readonly shards: PlannedShard[] = [];
  readonly #file: FileHandle;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #written = 0;
  #shard: OpenShard | null = null;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Creates the file, which must not exist. */
  static async create(path: string): Promise<RunPlan> {
    const plan = new RunPlan(path, await open(path, 'wx+', 0o600));
    crashPoint('plan:run-opened');
    return plan;
  }

  async startShard(head: PlanShardHead): Promise<void> {
    assert(this.#shard === null, 'one shard at a time');
    this.#shard = {
      head,
      tally: new PlanTally(head.copies),
      positions: new Map(head.copies.map(({ place }, position) => [place, position])),
      unproven: new Map(),
      offset: this.#written + this.#pendingBytes,
    };
    crashPoint('plan:run-shard');
  }

  async add(entry: PlanEntry): Promise<void> {
    const shard = this.#shard;
    assert(shard !== null, 'an entry stands in a shard');
    shard.tally.add(entry);
    const { unproven } = entry;
    if (unproven !== undefined) shard.unproven.set(unproven.slot, unproven);
    const bytes = encodeEntry(entry, shard.positions);
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= chunkBytes) await this.#flush();
    crashPoint('plan:run-entry');
  }

  async endShard(complete: boolean): Promise<PlanShardCounts> {
    const shard = this.#shard;
    assert(shard !== null, 'a shard was started');
    this.#shard = null;
    await this.#flush();
    crashPoint('plan:run-shard-end');
    const { head, tally } = shard;
    const { counts } = tally;
    const entries = (signal?: AbortSignal): AsyncGenerator<PlanEntry> =>
      this.#entries(shard, complete ? counts.differing : 0, signal);
    this.shards.push({ head, counts, complete, entries });
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    await this.#file.appendFile(bytes);
    this.#written += bytes.length;
  }

  async *#entries(shard: OpenShard, count: number, signal?: AbortSignal): AsyncGenerator<PlanEntry> {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    let held: Buffer = Buffer.alloc(0);
    let offset = shard.offset;
    for (let left = count; left > 0; ) {
      await yieldToEventLoop(signal);
      const { bytesRead } = await this.#file.read(chunk, 0, chunkBytes, offset);
      if (bytesRead === 0) {
        const message = `${this.path} holds ${left} entries less than were written to it`;
        throw new CodedError('io', message, { path: this.path });
      }
      offset += bytesRead;
      held = Buffer.concat([held, chunk.subarray(0, bytesRead)]);
      for (let bytes = entryBytes(held); left > 0 && bytes !== null; bytes = entryBytes(held)) {
        const entry = decodeEntry(held.subarray(0, bytes), shard);
        held = held.subarray(bytes);
        left--;
        yield entry;
      }
    }
  }
}

/** Bytes of the entry at the start of `held`; null where not all of it is there. */
function entryBytes(held: Buffer): number | null {
  if (held.length < 4) return null;
  const bytes = 4 + held.readUInt32LE(0);
  return bytes > held.length ? null : bytes;
}

function encodeEntry(
  { entity, winner, holders, lackers, unproven }: PlanEntry,
  positions: ReadonlyMap<string, number>,
): Buffer {
  const text = Buffer.from(entity);
  const reasons = lackers.map(({ heldBack }) => Buffer.from((heldBack ?? '').slice(0, reasonLengthMax)));
  const lackerBytes = lackers.reduce(
    (sum, { before }, at) =>
      sum + 4 + (before === null ? 0 : packedVersionBytes) + (reasons[at]?.length ?? 0),
    0,
  );
  const bytes = Buffer.allocUnsafe(
    fixedBytes + winner.digest.length + holders.length + lackerBytes + text.length,
  );
  let at = bytes.writeUInt32LE(bytes.length - 4, 0);
  at = bytes.writeUInt8(winner.digest.length, at);
  at = bytes.writeBigInt64LE(winner.revision, at);
  at = bytes.writeBigInt64LE(winner.deleteTime, at);
  bytes.set(winner.digest, at);
  at = bytes.writeUInt32LE(unproven === undefined ? 0 : unproven.slot + 1, at + winner.digest.length);
  at = bytes.writeUInt16LE(holders.length, at);
  for (const place of holders) at = bytes.writeUInt8(positions.get(place) ?? 0, at);
  at = bytes.writeUInt16LE(lackers.length, at);
  for (const [position, { place, before }] of lackers.entries()) {
    at = bytes.writeUInt8(positions.get(place) ?? 0, at);
    at = bytes.writeUInt8(before === null ? 0 : 1, at);
    if (before !== null) at += packVersion(before).copy(bytes, at);
    const reason = reasons[position] ?? Buffer.alloc(0);
    at = bytes.writeUInt16LE(reason.length, at);
    at += reason.copy(bytes, at);
  }
  bytes.set(text, at);
  return bytes;
}

/** Inverse of {@link encodeEntry}; what it gives keeps nothing of `bytes`. */
function decodeEntry(bytes: Buffer, { head, unproven }: OpenShard): PlanEntry {
  const place = (position: number): string => head.copies[position]?.place ?? '';
  const digestLength = bytes.readUInt8(4);
  let at = 5 + 16 + digestLength;
  const winner = {
    revision: bytes.readBigInt64LE(5),
    deleteTime: bytes.readBigInt64LE(13),
    digest: Buffer.from(bytes.subarray(21, at)),
  };
  const slot = bytes.readUInt32LE(at);
  const summary = slot === 0 ? undefined : unproven.get(slot - 1);
  at += 4;
  const holders: string[] = [];
  for (let left = bytes.readUInt16LE(at), from = at + 2; left > 0; left--)
    holders.push(place(bytes.readUInt8(from++)));
  at += 2 + holders.length;
  const lackers: PlanEntry['lackers'][number][] = [];
  const count = bytes.readUInt16LE(at);
  at += 2;
  while (lackers.length < count) {
    const lacker = place(bytes.readUInt8(at));
    const absent = bytes.readUInt8(at + 1) === 0;
    at += 2;
    const before = absent ? null : unpackVersion(Buffer.from(bytes.subarray(at, at + packedVersionBytes)));
    if (!absent) at += packedVersionBytes;
    const reasonEnd = at + 2 + bytes.readUInt16LE(at);
    const heldBack = bytes.toString('utf8', at + 2, reasonEnd);
    at = reasonEnd;
    lackers.push(heldBack === '' ? { place: lacker, before } : { place: lacker, before, heldBack });
  }
  const { group, shard } = head;
  const entry = { group, shard, entity: bytes.toString('utf8', at), winner, holders, lackers };
  return summary === undefined ? entry : { ...entry, unproven: summary };
}
