/** Pushes batches to a node over as many streams as pay off, all at one pace. */
import type { ApplyResult } from '../shard-copy/shard-copy.ts';
import { type Push, PushStream, type PushStreamOptions } from './push-stream.ts';
import type { PushWidth } from './push-width.ts';
import type { NodePlace } from './repair-stream.ts';

export interface PushStreamsOptions extends PushStreamOptions {
  readonly width: PushWidth;
}

export class PushStreams implements AsyncDisposable {
  readonly #place: NodePlace;
  readonly #options: PushStreamsOptions;
  /** Those that were used; one that is not any more stays open, so that its tree is not built amid the pushes. */
  readonly #streams: PushStream[] = [];

  constructor(place: NodePlace, options: PushStreamsOptions) {
    this.#place = place;
    this.#options = options;
  }

  /** As {@link PushStream.push}. */
  async push(pushes: readonly Push[], known: string | null): Promise<readonly ApplyResult[]> {
    const { clock, pace, width } = this.#options;
    const count = Math.min(width.streams, pushes.length);
    while (this.#streams.length < count) this.#streams.push(new PushStream(this.#place, this.#options));
    const used = this.#streams.slice(0, count);
    // Before the time is taken that tells how many pay off.
    await allEnded(used.map((stream) => stream.open()));
    pace.over(count);
    const startedMs = clock.monotonicMs();
    const heldBefore = pace.held;
    const shares = await allEnded(
      used.map((stream, at) => {
        const share = pushes.filter((_, position) => position % count === at);
        return stream.push(share, known);
      }),
    );
    if (count === width.streams) {
      width.took(pushes.length, clock.monotonicMs() - startedMs, pace.held - heldBefore);
    }
    return pushes.flatMap((_, position) => {
      const result = shares[position % count]?.[Math.floor(position / count)];
      return result === undefined ? [] : [result];
    });
  }

  /** Has the node end all of them, which it does when it has built its tree anew. */
  async [Symbol.asyncDispose](): Promise<void> {
    await allEnded(this.#streams.splice(0).map((stream) => stream[Symbol.asyncDispose]()));
  }
}

/** All end before an error is told, so that nothing is under way when the streams are closed. */
async function allEnded<T>(work: readonly Promise<T>[]): Promise<T[]> {
  return (await Promise.allSettled(work)).map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}
