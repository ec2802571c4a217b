/**
 * A stream of writes into a local shard, in the thread that calls: each batch is checked, compared and written in one
 * durable transaction. Counts live properties it replaces by the fuse's rule and withholds what goes beyond, whoever
 * sends it. A process that serves has its apply thread (apply-thread.ts) call it.
 */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted, yieldToEventLoop } from '../lib/event-loop.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { replacementsAllowed } from '../property/replacement-allowance.ts';
import type { StoredVersion } from '../property/version.ts';
import { createGroup } from '../property-index/data-root.ts';
import { IndexReader } from '../property-index/index-reader.ts';
import { IndexWriter, type WriteResult } from '../property-index/index-writer.ts';
import { type PreparedVersion, prepareIncoming } from '../property-index/prepare-version.ts';
import { checkIndexOfGroup, createIndex, type ShardIdentity } from '../property-index/schema.ts';
import { type ApplyOptions, type ApplyResult, type ApplySession, applyBatchRowsMax } from './shard-copy.ts';

export interface LocalApplyOptions extends ShardIdentity {
  readonly clock: Clock;
  /** Commits leave write-ahead logs to somebody else to move; by default they do so themselves, now and then. */
  readonly checkpointsElsewhere?: boolean;
}

/** Opens the index for writing, creating group and index where they are absent. Throws `settings-differ`. */
export async function openLocalApply(local: LocalApplyOptions, options: ApplyOptions): Promise<ApplySession> {
  throwIfAborted(options.signal);
  crashPoint('apply:open');
  const { root, group, shard } = local;
  const settings = await createGroup(root, group, options.settings);
  if (shard >= settings.shards) {
    throw new CodedError(
      'not-found',
      `group ${group} of ${root} has ${settings.shards} shards; there is no shard ${shard}`,
      {
        group,
        shard,
      },
    );
  }
  await createIndex(local, settings);
  const writer = new IndexWriter(local, {
    clock: local.clock,
    checkpointsElsewhere: local.checkpointsElsewhere ?? false,
  });
  try {
    checkIndexOfGroup(writer.path, writer.target, settings);
    crashPoint('apply:opened');
    return new LocalApplySession(writer, replaceableCount(local, options));
  } catch (error) {
    writer.close();
    throw error;
  }
}

function replaceableCount(local: ShardIdentity, options: ApplyOptions): number {
  using reader = new IndexReader(local);
  return Math.max(replacementsAllowed(reader.totals().live), options.confirmed ?? 0);
}

class LocalApplySession implements ApplySession {
  readonly #writer: IndexWriter;
  readonly #replaceable: number;
  #replaced = 0;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(writer: IndexWriter, replaceable: number) {
    this.#writer = writer;
    this.#replaceable = replaceable;
  }

  apply(batch: readonly StoredVersion[], signal?: AbortSignal): Promise<readonly ApplyResult[]> {
    // Batches take effect in call order, each after the one before has ended, however it ended.
    const run = this.#last.then(() => this.#applyBatch(batch, signal));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #applyBatch(
    batch: readonly StoredVersion[],
    signal: AbortSignal | undefined,
  ): Promise<ApplyResult[]> {
    if (this.#closed) throw new CodedError('cancelled', 'the apply session is closed');
    throwIfAborted(signal);
    const results: ApplyResult[] = [];
    for (let start = 0; start < batch.length; start += applyBatchRowsMax) {
      results.push(...(await this.#applyRows(batch.slice(start, start + applyBatchRowsMax), signal)));
    }
    return results;
  }

  async #applyRows(rows: readonly StoredVersion[], signal: AbortSignal | undefined): Promise<ApplyResult[]> {
    const checked = rows.map((version) => prepareIncoming(version, this.#writer.target));
    const prepared = checked.filter((version): version is PreparedVersion => typeof version !== 'string');
    // Checking took a few milliseconds; others get a turn before the write takes as many.
    await yieldToEventLoop(signal);
    crashPoint('apply:checked');
    let replaced = this.#replaced;
    const written = await this.#writer.apply(prepared, {
      signal,
      mayReplaceLive: () => replaced < this.#replaceable && ++replaced > 0,
    });
    this.#replaced = replaced;
    crashPoint('apply:written');
    let next = 0;
    return checked.map((version) =>
      typeof version === 'string' ? refused(version) : this.#result(written[next++] as WriteResult),
    );
  }

  #result(written: WriteResult): ApplyResult {
    if (written !== 'withheld') return { result: written };
    return refused(
      `fuse: this run may replace ${this.#replaceable} live properties here; confirm a greater number to go on`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    await this.#last;
    this.#closed = true;
    crashPoint('apply:close');
    this.#writer.close();
  }
}

function refused(reason: string): ApplyResult {
  return { result: 'refused', reason };
}
