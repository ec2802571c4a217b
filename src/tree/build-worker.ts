/** The builder's thread: builds one tree at a time, tells progress, and stops when told. */
import { parentPort } from 'node:worker_threads';
import { assert } from '../lib/assert.ts';
import { systemClock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { type BuildProgress, type BuildResult, buildTree } from './build-tree.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import type { ShardIdentity } from '../property-index/schema.ts';

/** What the worker is asked. */
export type BuildRequest =
  | {
      readonly kind: 'build';
      readonly id: number;
      readonly identity: ShardIdentity;
      readonly settings: GroupSettings;
      readonly force: boolean;
    }
  | { readonly kind: 'cancel'; readonly id: number }
  /** Cancel everything and end. */
  | { readonly kind: 'close' };

/** What it answers: progress and damage while it builds, then exactly one result or error. */
export type BuildResponse =
  | { readonly kind: 'progress'; readonly id: number; readonly progress: BuildProgress }
  | { readonly kind: 'damage'; readonly id: number; readonly path: string; readonly error: unknown }
  | { readonly kind: 'result'; readonly id: number; readonly result: BuildResult }
  | { readonly kind: 'error'; readonly id: number; readonly error: unknown };

/** Progress messages are for people; more often than this they only cost. */
const progressEveryMs = 100;

assert(parentPort !== null, 'the build worker runs in a worker thread');
const port = parentPort;
const cancels = new Map<number, AbortController>();
let last: Promise<void> = Promise.resolve();

const cancelled = new CodedError('cancelled', 'the build was cancelled');
port.on('message', (request: BuildRequest) => {
  switch (request.kind) {
    case 'build': {
      const cancel = new AbortController();
      cancels.set(request.id, cancel);
      last = last.then(() => run(request, cancel.signal));
      return;
    }
    case 'cancel':
      cancels.get(request.id)?.abort(cancelled);
      return;
    case 'close':
      // Ending by itself, not from outside: a thread that is terminated while it compiles can take the process along.
      for (const cancel of cancels.values()) cancel.abort(cancelled);
      last = last.then(() => port.close());
  }
});

async function run(request: Extract<BuildRequest, { kind: 'build' }>, signal: AbortSignal): Promise<void> {
  const { id, identity, settings, force } = request;
  const answer = (response: BuildResponse): void => port.postMessage(response);
  let toldAtMs = 0;
  const onProgress = (progress: BuildProgress): void => {
    const now = systemClock.monotonicMs();
    if (now - toldAtMs < progressEveryMs && progress.done < progress.total) return;
    toldAtMs = now;
    answer({ kind: 'progress', id, progress });
  };
  try {
    const result = await buildTree({
      identity,
      settings,
      force,
      clock: systemClock,
      signal,
      onProgress,
      onDamage: (path, error) => answer({ kind: 'damage', id, path, error: error.toJSON() }),
    });
    answer({ kind: 'result', id, result });
  } catch (error) {
    answer({ kind: 'error', id, error: CodedError.from(error).toJSON() });
  } finally {
    cancels.delete(id);
  }
}
