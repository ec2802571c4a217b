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
import { packedVersionBytes, packVersionInto, unpackVersion } from '../property/version.ts';
import type { SlotSummary } from '../shard-copy/shard-copy.ts';
import {
  type PlanEntry,
  type PlanLacker,
  type PlannedShard,
  planPageEntries,
  type PlanShardCounts,
  type PlanShardHead,
  type PlanSink,
  PlanTally,
} from './plan.ts';

// Entries gathered before a write, and read at once: large enough that calls cost little.
const chunkBytes = 256 * 1024;

/** Characters of why something is held back: a sentence or two. */
const reasonLengthMax = 4_096;

const noReason = Buffer.alloc(0);

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

  async add(entries: readonly PlanEntry[]): Promise<void> {
    const shard = this.#shard;
    assert(shard !== null, 'an entry stands in a shard');
    for (const entry of entries) {
      shard.tally.add(entry);
      const { unproven } = entry;
      if (unproven !== undefined) shard.unproven.set(unproven.slot, unproven);
      const bytes = encodeEntry(entry, shard.positions);
      this.#pending.push(bytes);
      this.#pendingBytes += bytes.length;
      if (this.#pendingBytes >= chunkBytes) await this.#flush();
      crashPoint('plan:run-entry');
    }
  }

  async endShard(complete: boolean): Promise<PlanShardCounts> {
    const shard = this.#shard;
    assert(shard !== null, 'a shard was started');
    this.#shard = null;
    await this.#flush();
    crashPoint('plan:run-shard-end');
    const { head, tally } = shard;
    const { counts } = tally;
    const entries: PlannedShard['entries'] = (signal) =>
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

  async *#entries(
    shard: OpenShard,
    count: number,
    signal?: AbortSignal,
  ): AsyncGenerator<readonly PlanEntry[]> {
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
      let at = 0;
      let page: PlanEntry[] = [];
      for (let end = entryEnd(held, at); end !== null && left > 0; end = entryEnd(held, at)) {
        page.push(decodeEntry(held, { at, end }, shard));
        at = end;
        left--;
        if (page.length < planPageEntries) continue;
        yield page;
        page = [];
      }
      if (page.length > 0) yield page;
      held = held.subarray(at);
    }
  }
}

/** Where the entry at `at` ends; null where not all of it is there. */
function entryEnd(held: Buffer, at: number): number | null {
  if (held.length < at + 4) return null;
  const end = at + 4 + held.readUInt32LE(at);
  return end > held.length ? null : end;
}

function encodeEntry(
  { entity, winner, holders, lackers, unproven }: PlanEntry,
  positions: ReadonlyMap<string, number>,
): Buffer {
  const text = Buffer.from(entity);
  const reasons = lackers.map(({ heldBack }) =>
    heldBack === undefined ? noReason : Buffer.from(heldBack.slice(0, reasonLengthMax)),
  );
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
    if (before !== null) at = packVersionInto(bytes, at, before);
    const reason = reasons[position] ?? noReason;
    at = bytes.writeUInt16LE(reason.length, at);
    at += reason.copy(bytes, at);
  }
  bytes.set(text, at);
  return bytes;
}

/** Inverse of {@link encodeEntry}; digests are views into `bytes`. */
function decodeEntry(
  bytes: Buffer,
  { at: start, end }: { readonly at: number; readonly end: number },
  { head, unproven }: OpenShard,
): PlanEntry {
  let at = start + 21 + bytes.readUInt8(start + 4);
  const winner = {
    revision: bytes.readBigInt64LE(start + 5),
    deleteTime: bytes.readBigInt64LE(start + 13),
    digest: bytes.subarray(start + 21, at),
  };
  const slot = bytes.readUInt32LE(at);
  const summary = slot === 0 ? undefined : unproven.get(slot - 1);
  at += 4;
  const holders: string[] = [];
  for (let left = bytes.readUInt16LE(at), from = at + 2; left > 0; left--)
    holders.push(placeAt(head, bytes.readUInt8(from++)));
  at += 2 + holders.length;
  const lackers: PlanLacker[] = [];
  const count = bytes.readUInt16LE(at);
  at += 2;
  while (lackers.length < count) {
    const place = placeAt(head, bytes.readUInt8(at));
    const absent = bytes.readUInt8(at + 1) === 0;
    at += 2;
    const before = absent ? null : unpackVersion(bytes, at);
    if (!absent) at += packedVersionBytes;
    const reasonEnd = at + 2 + bytes.readUInt16LE(at);
    const heldBack = bytes.toString('utf8', at + 2, reasonEnd);
    at = reasonEnd;
    lackers.push(heldBack === '' ? { place, before } : { place, before, heldBack });
  }
  const { group, shard } = head;
  const entity = bytes.toString('utf8', at, end);
  return summary === undefined
    ? { group, shard, entity, winner, holders, lackers }
    : { group, shard, entity, winner, holders, lackers, unproven: summary };
}

function placeAt({ copies }: PlanShardHead, position: number): string {
  return copies[position]?.place ?? '';
}
