/**
 * The life of a worker thread that has work now and then: it is started with work, and ends when there was none for a
 * while, since what it holds beyond its work, tens of MiB, is given back to the machine then. It is asked to end and
 * ends by itself. It keeps the process alive while it works, not while it rests. What is said to it is its owner's.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from './clock.ts';
import { CodedError } from './coded-error.ts';
import { IdleTimer } from './idle-timer.ts';

/** Long enough that work which comes in turns is done by one thread. */
const idleMs = 5_000;

export interface RestingThreadOptions<Answer> {
  readonly clock: Clock;
  /** What it runs. */
  readonly url: URL;
  /** What it is for, in errors. */
  readonly name: string;
  /** Heap for what a piece of work leaves behind, in MiB; more would only fill with garbage. */
  readonly youngGenerationMb: number;
  /** The message at which it ends, once it has ended what it does. */
  readonly close: unknown;
  readonly onAnswer: (answer: Answer) => void;
  /** Told that it ended before it was asked to; what it had to do is lost. */
  readonly onLost: (error: CodedError) => void;
}

export class RestingThread<Answer> implements AsyncDisposable {
  readonly #options: RestingThreadOptions<Answer>;
  readonly #rest: IdleTimer;
  #worker: Worker | null = null;
  /** Threads that were asked to end. */
  #ending: Promise<unknown> = Promise.resolve();

  constructor(options: RestingThreadOptions<Answer>) {
    this.#options = options;
    this.#rest = new IdleTimer(options.clock, idleMs, () => void this.end());
  }

  /** Whether there is one. */
  get isThere(): boolean {
    return this.#worker !== null;
  }

  /** The thread, which has work from now on; started where there is none. */
  work(): Worker {
    this.#rest.stop();
    this.#worker ??= this.#start();
    this.#worker.ref();
    return this.#worker;
  }

  /** It waits for work that its owner knows of, and keeps no process alive meanwhile. */
  wait(): void {
    this.#worker?.unref();
  }

  /** It has nothing to do, and ends unless there is work soon. */
  rest(): void {
    this.wait();
    this.#rest.start();
  }

  /** Has it end now; resolves when it has. What is sent to it later goes to another. */
  async end(): Promise<void> {
    this.#rest.stop();
    const worker = this.#worker;
    this.#worker = null;
    if (worker !== null) {
      const ended = Promise.withResolvers<void>();
      worker.once('exit', () => ended.resolve());
      this.#ending = Promise.all([this.#ending, ended.promise]);
      worker.postMessage(this.#options.close);
      worker.ref();
    }
    await this.#ending;
  }

  #start(): Worker {
    const { url, name, youngGenerationMb, onAnswer } = this.#options;
    const worker = new Worker(url, { resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb } });
    worker.on('message', onAnswer);
    worker.on('error', (error) => this.#lost(worker, CodedError.from(error)));
    worker.on('exit', () => this.#lost(worker, new CodedError('internal', `the ${name} thread ended`)));
    return worker;
  }

  #lost(worker: Worker, error: CodedError): void {
    // One that was asked to end had nothing to do.
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#options.onLost(error);
  }

  /** As {@link end}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
