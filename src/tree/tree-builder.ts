/**
 * Builds trees in a worker thread, so that scanning and hashing a shard never holds up the event loop.
 * One thread, one build at a time; it is started with a build, ends when there was none for a while, and keeps no
 * process alive once the builder is disposed.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { IdleEnd } from '../lib/idle-end.ts';
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
  #worker: Worker | null = null;
  readonly #jobs = new Map<number, Job>();
  readonly #idleEnd: IdleEnd;
  #nextId = 0;
  #closing = false;

  constructor(clock: Clock) {
    this.#idleEnd = new IdleEnd(clock, (worker) =>
      worker.postMessage({ kind: 'close' } satisfies BuildRequest),
    );
  }

  /** Whether there is a thread. */
  get hasThread(): boolean {
    return this.#worker !== null;
  }

  /** Builds the tree of a shard; as `buildTree`, in the worker thread, after builds asked for earlier. */
  async build(options: BuilderOptions): Promise<BuildResult> {
    const { identity, settings, signal } = options;
    if (signal?.aborted) throw CodedError.from(signal.reason);
    if (this.#closing) throw new CodedError('cancelled', 'the tree builder is closed');
    const worker = this.#started();
    const id = this.#nextId++;
    const cancel = (): void => worker.postMessage({ kind: 'cancel', id } satisfies BuildRequest);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.#jobs.set(id, { options, resolve, reject });
        worker.ref();
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

  #started(): Worker {
    this.#idleEnd.busy();
    if (this.#worker !== null) return this.#worker;
    // The worker has this file's extension: .ts in the sources, .js in the package.
    const worker = new Worker(new URL(`./build-worker${import.meta.url.slice(-3)}`, import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    });
    worker.on('message', (response: BuildResponse) => this.#answered(response));
    worker.on('error', (error) => this.#ended(worker, CodedError.from(error)));
    worker.on('exit', () => this.#ended(worker, new CodedError('internal', 'the build thread ended')));
    worker.unref();
    this.#worker = worker;
    return worker;
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
    // While it is closed its end is waited for, and a process with nothing else to do must not end before.
    if (this.#jobs.size > 0 || this.#closing) return;
    this.#worker?.unref();
    this.#idleEnd.idle(() => this.#letGo());
  }

  #letGo(): Worker | null {
    const worker = this.#worker;
    this.#worker = null;
    return worker;
  }

  #ended(worker: Worker, error: CodedError): void {
    // One that was let go had nothing to do.
    if (this.#worker !== worker) return;
    for (const job of this.#jobs.values()) job.reject(error);
    this.#jobs.clear();
    this.#worker = null;
  }

  /** Ends the thread once it has ended what it does; builds that run are cancelled. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    await this.#idleEnd[Symbol.asyncDispose]();
    const worker = this.#worker;
    if (worker === null) return;
    worker.postMessage({ kind: 'close' } satisfies BuildRequest);
    worker.ref();
    await once(worker, 'exit');
  }
}
