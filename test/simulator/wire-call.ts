/**
 * One gRPC call between a coordinator and a replica on virtual time. Each message takes its time in its direction and
 * arrives in order, as over one HTTP/2 stream; calls overtake each other. A message can be lost: then the stream breaks
 * for both sides, or goes silent, which each learns from its own timeouts. A replica works on what arrives until all has
 * come to rest, and may die of it.
 */
import { Code, ConnectError, createContextValues } from '@connectrpc/connect';
import type {
  UniversalClientRequest,
  UniversalClientResponse,
  UniversalHandlerFn,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import { callOriginKey } from '../../src/peer/served-call.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { keyedRandom } from './keyed-random.ts';
import type { Network } from './network.ts';
import type { Replica } from './replica.ts';
import type { Run } from './run.ts';
import { WirePipe } from './wire-pipe.ts';

export interface WireCallOptions {
  readonly network: Network;
  readonly run: Run;
  readonly replica: Replica;
  /** Last part of the path. */
  readonly what: string;
}

export class WireCall implements AsyncDisposable {
  readonly #options: WireCallOptions;
  readonly #key: string;
  readonly #random: SeededRandom;
  readonly #up = new WirePipe();
  readonly #down = new WirePipe();
  readonly #answered = Promise.withResolvers<UniversalClientResponse>();
  /** Aborted when the serving side learns that the call is over. */
  readonly #server = new AbortController();
  /** Messages so far, each with its own name. */
  #messages = 0;
  #silent = false;
  /** Nothing more reaches the calling side. */
  #left = false;
  /** The message that is on its way up: a reset does not overtake it. */
  #asking: Promise<void> = Promise.resolve();
  #resetting = false;
  #serving = false;
  /** All that was sent up, for a copy of the request that comes late. */
  readonly #sent: Uint8Array[] = [];

  constructor(options: WireCallOptions) {
    const { network, run, replica, what } = options;
    this.#options = options;
    this.#key = run.nextCall(replica.name, what);
    this.#random = keyedRandom(network.seed, this.#key);
    // Whoever has left does not hear of it.
    this.#answered.promise.catch(() => undefined);
  }

  async send(request: UniversalClientRequest): Promise<UniversalClientResponse> {
    const { run, replica } = this.#options;
    const { signal } = request;
    if (signal?.aborted) throw ConnectError.from(signal.reason, Code.Canceled);
    signal?.addEventListener('abort', () => this.#leave(signal.reason));
    run.opened(this, async () => this.#leave(new ConnectError('the coordinator died', Code.Canceled)));
    replica.hold(this);
    this.#carryUp(request).catch(() => undefined);
    return await this.#answered.promise;
  }

  /** The replica died: its connections break. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.signal.aborted) return;
    this.#abortServer();
    this.#carryBreak().catch(() => undefined);
  }

  async #carryBreak(): Promise<void> {
    await this.#travel('breaks');
    this.#break();
  }

  async #carryUp(request: UniversalClientRequest): Promise<void> {
    try {
      for await (const chunk of request.body ?? []) {
        this.#asking = this.#travel('asks');
        await this.#asking;
        if (!this.#options.replica.up) return this.#break();
        if (this.#server.signal.aborted) return;
        this.#sent.push(chunk);
        await this.#options.network.deliver(this.#options.replica, this.#random, () => {
          this.#up.push(chunk);
          if (!this.#serving) this.#serve(request);
        });
      }
      if (request.signal?.aborted) return await this.#reset();
      await this.#travel('asked');
      this.#up.end();
    } catch {
      // The calling side gave up its own messages.
      await this.#reset();
    }
  }

  #serve({ url, header }: UniversalClientRequest): void {
    const { network, replica, what } = this.#options;
    const { signal } = this.#server;
    this.#serving = true;
    const handler = replica.serving(what);
    const answer = handler(this.#request(url, header, this.#up, signal));
    answer.then((answered) => this.#carryDown(answered)).catch(() => this.#carryBreak());
    if (what !== 'Apply' || !this.#random.chance(network.weather.repeated)) return;
    network.repeat(replica, `${this.#key} again`, this.#random, () => this.#again(handler, url, header));
  }

  /** The request once more, as a retry on its way would bring it, with nobody to hear of it. */
  async #again(handler: UniversalHandlerFn, url: string, header: Headers): Promise<void> {
    const body = new WirePipe();
    for (const chunk of this.#sent) body.push(chunk);
    body.end();
    const answer = await handler(this.#request(url, header, body, new AbortController().signal));
    for await (const _ of answer.body ?? []);
  }

  #request(url: string, header: Headers, body: WirePipe, signal: AbortSignal) {
    const breakOff = (): void => {
      if (body === this.#up) this.#abortServer();
    };
    const contextValues = createContextValues().set(callOriginKey, {
      peer: this.#options.run.id,
      breakOff,
      refusal: null,
    });
    return { httpVersion: '2.0', method: 'POST', url, header, body, signal, contextValues };
  }

  async #carryDown({
    status,
    header,
    body,
    trailer = new Headers(),
  }: UniversalServerResponse): Promise<void> {
    const chunks = body?.[Symbol.asyncIterator]();
    try {
      for (let next = await chunks?.next(); ; next = await chunks?.next()) {
        await this.#travel('answers');
        if (this.#server.signal.aborted) throw new Error('the call is over');
        const over = next === undefined || next.done === true;
        if (!this.#left)
          this.#answered.resolve({ status, header: new Headers(header), body: this.#down, trailer });
        if (over) return this.#finish();
        this.#down.push(next?.value as Uint8Array);
      }
    } catch (error) {
      await chunks?.throw?.(error);
      throw error;
    } finally {
      await chunks?.return?.();
    }
  }

  /** All was answered. */
  #finish(): void {
    this.#left = true;
    this.#down.end();
    this.#release();
  }

  /** Resolves when a message has arrived; never where it does not, unless the serving side gives up first. */
  async #travel(what: string): Promise<void> {
    const { network, run, replica } = this.#options;
    const { time, weather } = network;
    const delayMs = 1 + this.#random.below(weather.delayMs);
    await time.wait(delayMs, `${this.#key} ${what} ${this.#messages++}`);
    if (!this.#silent && network.isLost(run, replica, this.#random)) {
      this.#silent = this.#random.chance(0.5);
      network.happenings.count(this.#silent ? 'message lost, silence' : 'message lost, stream breaks');
      if (this.#messages > 1) network.happenings.count('stream cut after some messages');
      if (!this.#silent) this.#break();
    }
    const { signal } = this.#server;
    if (!this.#silent || signal.aborted) return;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  /** The calling side hears no more, and tells the serving side so. */
  #leave(reason: unknown): void {
    if (this.#left) return;
    this.#left = true;
    const error = ConnectError.from(reason, Code.Canceled);
    if (!this.#options.run.dead) {
      this.#answered.reject(error);
      this.#down.break(error);
    }
    this.#reset().catch(() => undefined);
  }

  async #reset(): Promise<void> {
    if (this.#resetting) return;
    this.#resetting = true;
    await this.#asking;
    await this.#travel('resets');
    this.#abortServer();
  }

  /** The stream broke; both sides know. */
  #break(): void {
    if (!this.#left && !this.#options.run.dead) {
      const error = new ConnectError('the connection broke', Code.Unavailable);
      this.#answered.reject(error);
      this.#down.break(error);
    }
    this.#left = true;
    this.#abortServer();
  }

  #abortServer(): void {
    const error = new ConnectError('the stream was reset', Code.Canceled);
    this.#server.abort(error);
    this.#up.break(error);
    this.#release();
  }

  #release(): void {
    const { run, replica } = this.#options;
    run.forget(this);
    replica.forget(this);
  }
}
