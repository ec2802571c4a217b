/**
 * Opens a plan (plan.ts): checks the whole file once, then gives the entries of its shards. Refuses with
 * `bad-plan`, naming file, line and value, whatever was cut, edited or is of another version.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { CodedError } from '../lib/coded-error.ts';
import { yieldToEventLoop } from '../lib/event-loop.ts';
import { openForReading } from '../lib/file-reader.ts';
import { LineCutter } from '../property/cut-lines.ts';
import {
  type PlanEntry,
  planFormat,
  planFormatVersion,
  type PlanHead,
  type PlannedShard,
  planPageEntries,
  type PlanShardHead,
  PlanTally,
} from './plan.ts';
import {
  badField,
  entryFromJson,
  listField,
  objectField,
  placeValue,
  shardHeadFromJson,
  textField,
} from './plan-json.ts';

/** Ceiling of shards in one plan, which are listed in memory: many groups of many shards. */
export const planShardsMax = 100_000;

const readBytes = 64 * 1024;

export class PlanFile implements AsyncDisposable {
  readonly path: string;
  readonly shards: PlannedShard[] = [];
  #file: FileHandle;
  #head: PlanHead = { places: [], createdAt: '' };

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  get head(): PlanHead {
    return this.#head;
  }

  /** Opens and checks a plan; dispose it after its last use. */
  static async open(path: string, signal?: AbortSignal): Promise<PlanFile> {
    const plan = new PlanFile(path, await openForReading(path));
    try {
      await plan.#check(signal);
    } catch (error) {
      await plan.#file.close();
      throw error;
    }
    return plan;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  async #check(signal?: AbortSignal): Promise<void> {
    const digest = createHash('sha256');
    let shard: OpenShard | null = null;
    let finished = false;
    for await (const { line, offset, text } of this.#lines({ line: 1, offset: 0 }, signal)) {
      const at = (error: unknown): CodedError => badLine(this.path, line, error);
      if (finished) throw at(badField('text after the last line', text));
      try {
        const json = parseLine(text);
        if (line === 1) this.#head = headFromJson(json);
        else if ('footer' in json) {
          if (shard !== null) throw badField('the last line', text);
          checkDigest(json['footer'], digest.digest('hex'));
          finished = true;
        } else if ('shard' in json && typeof json['shard'] === 'object') {
          if (shard !== null || this.shards.length >= planShardsMax) throw badField('shard', json['shard']);
          const head = shardHeadFromJson(json['shard']);
          shard = {
            head,
            tally: new PlanTally(head.copies),
            start: { line: line + 1, offset: offset + Buffer.byteLength(text) + 1 },
          };
        } else if ('shardEnd' in json) {
          if (shard === null) throw badField('shardEnd', json['shardEnd']);
          this.#endShard(shard, objectField(json['shardEnd'], 'shardEnd'));
          shard = null;
        } else {
          addEntry(shard, entryFromJson(json));
        }
      } catch (error) {
        throw at(error);
      }
      if (!finished) digest.update(`${text}\n`);
    }
    if (!finished) throw new CodedError('bad-plan', `${this.path}: the plan is cut off`, { file: this.path });
  }

  #endShard({ head, tally, start }: OpenShard, end: Readonly<Record<string, unknown>>): void {
    const { counts } = tally;
    const { complete } = end;
    if (typeof complete !== 'boolean') throw badField('complete', complete);
    if (JSON.stringify({ complete, ...counts }) !== JSON.stringify(end)) throw badField('shardEnd', end);
    const entries: PlannedShard['entries'] = (signal) =>
      this.#entries(start, complete ? counts.differing : 0, signal);
    this.shards.push({ head, counts, complete, entries });
  }

  async *#entries(
    start: LineStart,
    count: number,
    signal?: AbortSignal,
  ): AsyncGenerator<readonly PlanEntry[]> {
    if (count === 0) return;
    let left = count;
    let page: PlanEntry[] = [];
    for await (const { line, text } of this.#lines(start, signal)) {
      try {
        page.push(entryFromJson(parseLine(text)));
      } catch (error) {
        throw badLine(this.path, line, error);
      }
      left--;
      if (left > 0 && page.length < planPageEntries) continue;
      yield page;
      if (left === 0) return;
      page = [];
    }
    throw new CodedError('bad-plan', `${this.path}: the plan was cut off while it was carried out`, {
      file: this.path,
    });
  }

  async *#lines(start: LineStart, signal?: AbortSignal): AsyncGenerator<LineStart & { text: string }> {
    const cutter = new LineCutter(start.line);
    const chunk = Buffer.allocUnsafe(readBytes);
    let lineOffset = start.offset;
    for (let offset = start.offset; ; ) {
      await yieldToEventLoop(signal);
      const { bytesRead } = await this.#file.read(chunk, 0, readBytes, offset);
      offset += bytesRead;
      if (bytesRead === 0) {
        const [rest] = cutter.end();
        if (rest !== undefined && !('bytes' in rest && rest.bytes.length === 0)) {
          throw badLine(this.path, rest.line, badField('text', 'a line without its end'));
        }
        return;
      }
      for (const record of cutter.push(chunk.subarray(0, bytesRead))) {
        if (!('bytes' in record)) throw badLine(this.path, record.line, badField('text', record.fault));
        yield { line: record.line, offset: lineOffset, text: record.bytes.toString() };
        lineOffset += record.bytes.length + 1;
      }
    }
  }
}

interface LineStart {
  /** From 1. */
  readonly line: number;
  /** In bytes. */
  readonly offset: number;
}

interface OpenShard {
  readonly head: PlanShardHead;
  readonly tally: PlanTally;
  readonly start: LineStart;
}

function addEntry(shard: OpenShard | null, entry: PlanEntry): void {
  if (shard === null || shard.head.group !== entry.group || shard.head.shard !== entry.shard) {
    throw badField('shard', `${entry.group}/${entry.shard}`);
  }
  shard.tally.add(entry);
}

function headFromJson(json: Readonly<Record<string, unknown>>): PlanHead {
  if (json['format'] !== planFormat) throw badField('format', json['format']);
  if (json['formatVersion'] !== planFormatVersion) throw badField('formatVersion', json['formatVersion']);
  return { places: listField(json, 'places', placeValue, 0), createdAt: textField(json, 'createdAt') };
}

function checkDigest(footer: unknown, computed: string): void {
  const { sha256 } = objectField(footer, 'footer');
  if (sha256 !== computed) throw badField('sha256', sha256);
}

function parseLine(text: string): Readonly<Record<string, unknown>> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CodedError(
      'bad-plan',
      `not JSON: ${text.slice(0, 200)}`,
      { value: text.slice(0, 200) },
      { cause: error },
    );
  }
  return objectField(json, 'line');
}

function badLine(file: string, line: number, error: unknown): CodedError {
  const { message, details } = CodedError.from(error);
  return new CodedError(
    'bad-plan',
    `${file}, line ${line}: ${message}`,
    { ...details, file, line },
    { cause: error },
  );
}
