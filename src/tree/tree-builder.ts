/**
 * Builds trees in a worker thread, so that scanning and hashing a shard never holds up the event loop.
 * One thread, one build at a time; it is started with a build, ends when there was none for a while, and keeps no
 * process alive once the builder is disposed.
 */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { RestingThread } from '../lib/resting-thread.ts';
import type { BuildOptions, BuildResult } from './build-tree.ts';
import type { BuildRequest, BuildResponse } from './build-worker.ts';

/** Heap for what a page leaves behind: a build holds its data in buffers, and more heap would only fill with garbage. */
const youngGenerationMb = 8;

export type BuilderOptions = Omit<BuildOptions, 'clock'>;

interface Job {
  readonly options: BuilderOptions;
  readonly resolve: (result: BuildResult) => void;
  readonly reject: (error: CodedError) => void;
}

export class TreeBuilder implements AsyncDisposable {
  readonly #thread: RestingThread<BuildResponse>;
  readonly #jobs = new Map<number, Job>();
  #nextId = 0;
  #closing = false;

  constructor(clock: Clock) {
    this.#thread = new RestingThread<BuildResponse>({
      ...{ clock, name: 'build', youngGenerationMb },
      // The worker has this file's extension: .ts in the sources, .js in the package.
      url: new URL(`./build-worker${import.meta.url.slice(-3)}`, import.meta.url),
      close: { kind: 'close' } satisfies BuildRequest,
      onAnswer: (response) => this.#answered(response),
      onLost: (error) => this.#lost(error),
    });
  }

  /** Whether there is a thread. */
  get hasThread(): boolean {
    return this.#thread.isThere;
  }

  /** Builds the tree of a shard; as `buildTree`, in the worker thread, after builds asked for earlier. */
  async build(options: BuilderOptions): Promise<BuildResult> {
    const { identity, settings, signal } = options;
    if (signal?.aborted) throw CodedError.from(signal.reason);
    if (this.#closing) throw new CodedError('cancelled', 'the tree builder is closed');
    const worker = this.#thread.work();
    const id = this.#nextId++;
    const cancel = (): void => worker.postMessage({ kind: 'cancel', id } satisfies BuildRequest);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.#jobs.set(id, { options, resolve, reject });
        worker.postMessage({
          kind: 'build',
          id,
          identity: { root: identity.root, group: identity.group, shard: identity.shard },
          settings,
          force: options.force ?? false,
        } satisfies BuildRequest);
      });
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  #answered(response: BuildResponse): void {
    const job = this.#jobs.get(response.id);
    if (job === undefined) return;
    switch (response.kind) {
      case 'progress':
        job.options.onProgress?.(response.progress);
        return;
      case 'damage':
        job.options.onDamage?.(response.path, CodedError.fromJSON(response.error));
        return;
      case 'result':
        // A digest crosses the border as a plain byte array.
        job.resolve({ ...response.result, root: Buffer.from(response.result.root) });
        break;
      case 'error':
        job.reject(CodedError.fromJSON(response.error));
        break;
    }
    this.#jobs.delete(response.id);
    if (this.#jobs.size === 0 && !this.#closing) this.#thread.rest();
  }

  #lost(error: CodedError): void {
    for (const job of this.#jobs.values()) job.reject(error);
    this.#jobs.clear();
  }

  /** Ends the thread once it has ended what it does; builds that run are cancelled. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    await this.#thread.end();
    // Where it broke off instead of answering.
    this.#lost(new CodedError('cancelled', 'the tree builder is closed'));
  }
}
