/**
 * Virtual time: owns the clock and the order of everything that waits. One event is taken at a time, and the
 * next only when all that followed from it has come to rest; so the same seed gives the same history. Events
 * at one moment are taken in the order of their keys, which say who waits for what, never in order of arrival.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../src/lib/clock.ts';
import { CodedError } from '../../src/lib/coded-error.ts';

/** 2023-11-14, as good as any; revisions and delete times are stamped from here on. */
export const startMs = 1_700_000_000_000;

interface Event {
  readonly atMs: number;
  readonly key: string;
  wake: (() => void) | null;
}

/** Characters of the trace that go into its digest at once: a call for each note costs more than its bytes. */
const notedMax = 16_384;

// Not the one of node:timers/promises, which simulations replace.
const nextTurn = setImmediate;

export class VirtualTime {
  /** Milliseconds since the simulation began. */
  nowMs = 0;
  /** Events taken so far. */
  steps = 0;
  readonly #heap: Event[] = [];
  readonly #trace = createHash('sha256');
  /** Of the trace, and not in its digest yet. */
  #noted = '';

  /** Notes something in the trace. */
  note(text: string): void {
    this.#noted += `${this.nowMs} ${text}\n`;
    if (this.#noted.length > notedMax) this.#hashNoted();
  }

  /** Digest of all that happened, in hex; ends the trace. */
  endTrace(): string {
    this.#hashNoted();
    return this.#trace.digest('hex');
  }

  #hashNoted(): void {
    this.#trace.update(this.#noted);
    this.#noted = '';
  }

  /** Resolves `delayMs` from now; rejects at once when aborted. `key` names the wait among all others. */
  wait(delayMs: number, key: string, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(CodedError.from(signal.reason));
        return;
      }
      const event: Event = { atMs: this.nowMs + Math.max(0, delayMs), key, wake: null };
      const abort = (): void => {
        event.wake = null;
        reject(CodedError.from(signal?.reason));
      };
      event.wake = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#push(event);
    });
  }

  /** Takes events until there is none, or `until` says so after one. `after` is called when each has come to rest. */
  async run(after: (key: string) => Promise<void>, until: () => boolean = () => false): Promise<void> {
    await settle();
    while (!until()) {
      const event = this.#pop();
      if (event === null) return;
      if (event.wake === null) continue;
      this.nowMs = event.atMs;
      this.steps += 1;
      this.note(event.key);
      event.wake();
      await settle();
      await after(event.key);
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | null {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return null;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.key < b.key;
}

// Everything that runs on is microtasks, and all of them have run before a turn of the event loop ends.
function settle(): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve));
}

/** The clock of one replica: off by a skew that may change, its durations true. */
export class SkewedClock implements Clock {
  skewMs: number;
  readonly #time: VirtualTime;
  readonly #name: string;
  #sleeps = 0;

  constructor(time: VirtualTime, name: string, skewMs: number) {
    this.#time = time;
    this.#name = name;
    this.skewMs = skewMs;
  }

  nowNs(): bigint {
    return BigInt(this.nowMs()) * 1_000_000n;
  }

  nowMs(): number {
    return startMs + this.#time.nowMs + this.skewMs;
  }

  monotonicMs(): number {
    return this.#time.nowMs;
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.#time.wait(delayMs, `sleep ${this.#name} ${this.#sleeps++}`, signal);
  }
}
