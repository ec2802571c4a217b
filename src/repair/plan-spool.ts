/**
 * Writes a plan that is kept (plan.ts) to a file as it is made, so that a plan of any length needs little memory. The
 * file is a temporary until the caller publishes it.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { assert } from '../lib/assert.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { jsonLine } from '../lib/json-line.ts';
import {
  entryToJson,
  type PlanEntry,
  planFormat,
  planFormatVersion,
  type PlanHead,
  type PlanShardCounts,
  type PlanShardHead,
  type PlanSink,
  PlanTally,
} from './plan.ts';

// Text gathered before a write: large enough that writes cost little beside making the text.
const writeBytes = 64 * 1024;

export class PlanSpool implements PlanSink, AsyncDisposable {
  readonly path: string;
  #file: FileHandle;
  #digest = createHash('sha256');
  #pending = '';
  #tally: PlanTally | null = null;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Creates the file, which must not exist. */
  static async create(path: string, head: PlanHead): Promise<PlanSpool> {
    const spool = new PlanSpool(path, await open(path, 'wx', 0o600));
    crashPoint('plan:opened');
    await spool.#line({ format: planFormat, formatVersion: planFormatVersion, ...head });
    return spool;
  }

  async startShard(head: PlanShardHead): Promise<void> {
    assert(this.#tally === null, 'one shard at a time');
    this.#tally = new PlanTally(head.copies);
    await this.#line({ shard: head });
    crashPoint('plan:shard');
  }

  async add(entries: readonly PlanEntry[]): Promise<void> {
    assert(this.#tally !== null, 'an entry stands in a shard');
    for (const entry of entries) {
      this.#tally.add(entry);
      await this.#line(entryToJson(entry));
      crashPoint('plan:entry');
    }
  }

  async endShard(complete: boolean): Promise<PlanShardCounts> {
    assert(this.#tally !== null, 'a shard was started');
    const { counts } = this.#tally;
    this.#tally = null;
    await this.#line({ shardEnd: { complete, ...counts } });
    crashPoint('plan:shard-end');
    return counts;
  }

  /** Writes the last line and makes the file durable. */
  async finish(): Promise<void> {
    assert(this.#tally === null, 'every shard was ended');
    await this.#flush();
    crashPoint('plan:footer');
    const footer = JSON.stringify({ footer: { sha256: this.#digest.digest('hex') } });
    await this.#file.appendFile(`${footer}\n`);
    crashPoint('plan:written');
    await this.#file.sync();
    crashPoint('plan:synced');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  async #line(json: unknown): Promise<void> {
    this.#pending += jsonLine(json);
    if (this.#pending.length >= writeBytes) await this.#flush();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(this.#pending);
    this.#pending = '';
    this.#digest.update(bytes);
    await this.#file.appendFile(bytes);
  }
}
