/**
 * The apply thread: checks, compares and writes batches, one session per stream of writes, so that parsing, hashing
 * and fsync never hold up the event loop of a process that serves. Answers every request once, in its own time.
 */
import { parentPort } from 'node:worker_threads';
import { assert } from '../lib/assert.ts';
import { systemClock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import type { ShardIdentity } from '../property-index/schema.ts';
import { openLocalApply } from './local-apply.ts';
import { type PackedBatch, unpackBatch } from './packed-batch.ts';
import type { ApplyResult, ApplySession } from './shard-copy.ts';

/** What the thread is asked; `id` is answered, `session` is what the coordinator calls the stream. */
export type ApplyRequest =
  | {
      readonly kind: 'open';
      readonly id: number;
      readonly session: number;
      readonly identity: ShardIdentity;
      readonly settings: GroupSettings;
      readonly confirmed: number | null;
    }
  | { readonly kind: 'apply'; readonly id: number; readonly session: number; readonly batch: PackedBatch }
  | { readonly kind: 'dispose'; readonly id: number; readonly session: number }
  /** Cancels an open or an apply that has not taken effect. */
  | { readonly kind: 'cancel'; readonly id: number }
  /** End, once what runs has ended. */
  | { readonly kind: 'close' };

/** Exactly one for each request that is answered. */
export type ApplyAnswer =
  | { readonly id: number; readonly results: readonly ApplyResult[] }
  | { readonly id: number; readonly error: unknown };

assert(parentPort !== null, 'the apply worker runs in a worker thread');
const port = parentPort;
const sessions = new Map<number, Promise<ApplySession>>();
const cancels = new Map<number, AbortController>();
const cancelled = new CodedError('cancelled', 'the run was cancelled');

port.on('message', (request: ApplyRequest) => {
  switch (request.kind) {
    case 'open':
      answer(request.id, async (signal) => {
        const { identity, settings, confirmed } = request;
        const local = { ...identity, clock: systemClock, checkpointsElsewhere: true };
        const opening = openLocalApply(local, { settings, confirmed, signal });
        sessions.set(request.session, opening);
        await opening;
        return [];
      });
      return;
    case 'apply':
      answer(request.id, async (signal) => {
        const session = await openSession(request.session);
        const results = await session.apply(unpackBatch(request.batch), signal);
        // Given back at once: some 64 MiB of batches would wait for the collector, which sees their handles only.
        request.batch.bytes.buffer.transfer(0);
        return results;
      });
      return;
    case 'dispose':
      answer(request.id, async () => {
        const session = openSession(request.session);
        sessions.delete(request.session);
        await (await session)[Symbol.asyncDispose]();
        return [];
      });
      return;
    case 'cancel':
      cancels.get(request.id)?.abort(cancelled);
      return;
    case 'close':
      // Ending by itself, not from outside: a thread that is terminated while it compiles can take the process along.
      port.close();
  }
});

function openSession(session: number): Promise<ApplySession> {
  const opening = sessions.get(session);
  assert(opening !== undefined, 'a session is opened before it is used');
  return opening;
}

function answer(id: number, work: (signal: AbortSignal) => Promise<readonly ApplyResult[]>): void {
  const cancel = new AbortController();
  cancels.set(id, cancel);
  work(cancel.signal)
    .then(
      (results) => port.postMessage({ id, results } satisfies ApplyAnswer),
      (error: unknown) =>
        port.postMessage({ id, error: CodedError.from(error).toJSON() } satisfies ApplyAnswer),
    )
    .finally(() => cancels.delete(id));
}
