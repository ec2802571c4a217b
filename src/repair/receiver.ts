/** One copy that lacks winners, while a plan is carried out: its apply session, its counts, its failure. */
import { CodedError } from '../lib/coded-error.ts';
import { raceSignal } from '../lib/race-signal.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { EncodedVersion } from '../property/encoded-version.ts';
import type {
  ApplyOptions,
  ApplyResult,
  ApplySession,
  ShardCopy,
  StoredVersion,
} from '../shard-copy/shard-copy.ts';
import { atPlace } from './at-place.ts';
import type { CopyReport } from './report.ts';

type Counts = {
  -readonly [Name in 'changed' | 'kept' | 'failed' | 'heldBack' | 'shipped' | 'bytes']: CopyReport[Name];
};

export class Receiver implements AsyncDisposable {
  readonly place: string;
  /** What became of the versions meant for this copy; the caller counts what was never sent. */
  readonly counts: Counts = { changed: 0, kept: 0, failed: 0, heldBack: 0, shipped: 0, bytes: 0 };
  #copy: ShardCopy;
  #options: ApplyOptions;
  #session: Promise<ApplySession> | null = null;
  #failure: CodedError | null = null;
  #endedWell = true;

  constructor(copy: ShardCopy, options: ApplyOptions) {
    this.place = copy.place;
    this.#copy = copy;
    this.#options = options;
  }

  /** Why nothing more is sent to it. */
  get failure(): CodedError | null {
    return this.#failure;
  }

  /** Whether it was closed in good order, or never opened; else its tree may not show what was applied. */
  get endedWell(): boolean {
    return this.#endedWell;
  }

  /**
   * Applies a batch and gives one result per version. After a failure of the copy, in this batch or before,
   * all results are refusals with its reason. Calls may overlap; they take effect in call order. Throws only
   * when the run was cancelled.
   */
  async apply(batch: readonly StoredVersion[]): Promise<readonly ApplyResult[]> {
    if (this.#failure === null) {
      try {
        const results = await this.#send(batch);
        for (const one of results) {
          const { result } = one;
          this.counts[result === 'applied' ? 'changed' : result === 'kept' ? 'kept' : 'failed']++;
          if (result === 'refused' && one.heldBack === true) this.counts.heldBack++;
        }
        return results;
      } catch (error) {
        const failure = atPlace(this.place, error, this.#options.signal);
        this.#failure ??= failure;
      }
    }
    const reason = this.#failure.message;
    this.counts.failed += batch.length;
    return batch.map(() => ({ result: 'refused', reason }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opening = this.#session;
    this.#session = null;
    if (opening === null) return;
    const closing = opening.then(
      (session) => session[Symbol.asyncDispose](),
      // It never opened; whoever applied has heard why.
      () => undefined,
    );
    try {
      await raceSignal(closing, this.#options.signal);
    } catch (error) {
      this.#endedWell = false;
      throw error;
    }
  }

  async #send(batch: readonly StoredVersion[]): Promise<readonly ApplyResult[]> {
    const { signal } = this.#options;
    this.#session ??= this.#copy.openApply(this.#options);
    const session = await raceSignal(this.#session, signal);
    if (this.#failure !== null) throw this.#failure;
    crashPoint('carry:send');
    this.counts.shipped += batch.length;
    for (const version of batch) this.counts.bytes += EncodedVersion.sizeOf(version);
    const results = await raceSignal(session.apply(batch, signal), signal);
    if (results.length !== batch.length) {
      throw new CodedError('bad-message', `${results.length} results for ${batch.length} versions`, {});
    }
    return results;
  }
}
