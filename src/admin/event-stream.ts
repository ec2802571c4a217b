/**
 * Live progress as server-sent events: each `run` event is the run as it is at that moment, its id the time; `end`
 * follows the last one of a single run. A reader that connects anew and says which event it had last is first told of
 * every run that has moved on since, so that it misses nothing it needs.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { IdleTimer } from '../lib/idle-timer.ts';
import type { Operations } from './operations.ts';
import type { RunResource } from './resources.ts';

/** Streams at a time: people and dashboards, not machines. */
const streamsMax = 100;

/** Bytes that wait for a slow reader; beyond it events are left out, the next one tells where things stand. */
const waitingBytesMax = 1024 * 1024;

/** Runs that a reader who comes back is told of at most: the newest. */
const missedRunsMax = 1_000;

/** A comment goes this often, so that what lies between does not take the silence for an end. */
const heartbeatMs = 15_000;

/** What a reader follows. */
export interface Followed {
  /** One run; null for all. */
  readonly id: string | null;
  /** Of the last event it had before it connects anew: the time, in milliseconds since 1970; null where it is new. */
  readonly lastEventId: number | null;
}

export class EventStreams {
  readonly #clock: Clock;
  readonly #open = new Set<ServerResponse>();

  /** The clock that runs are dated by, too: ids of events are held against their times. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes over a response and writes the runs that move on until the reader goes. Throws `busy`, `not-found`. */
  follow(operations: Operations, { id, lastEventId }: Followed, response: ServerResponse): void {
    if (this.#open.size >= streamsMax)
      throw new CodedError('busy', `${streamsMax} event streams are open already`);
    const first = id === null ? missedRuns(operations, lastEventId) : [operations.run(id)];
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      // A stream ends with its connection: kept alive, it would hold up the end of the server.
      connection: 'close',
    });
    response.write(': runs follow as they move on\n\n');
    this.#open.add(response);
    const tell = (run: RunResource): void => {
      const last = id !== null && run.state === 'ended';
      if (response.writableLength < waitingBytesMax || last) {
        response.write(`id: ${this.#clock.nowMs()}\nevent: run\ndata: ${JSON.stringify(run)}\n\n`);
      }
      if (last) response.end('event: end\ndata: {}\n\n');
    };
    const stop = operations.follow(id, tell);
    const heartbeat = new IdleTimer(this.#clock, heartbeatMs, () => {
      response.write(': still here\n\n');
      heartbeat.start();
    });
    heartbeat.start();
    response.once('close', () => {
      heartbeat.stop();
      stop();
      this.#open.delete(response);
    });
    for (const run of first) tell(run);
  }

  /** Ends all of them. */
  close(): void {
    for (const response of this.#open) response.end();
  }
}

/** Runs that have begun, moved on or ended since, oldest first. */
function missedRuns(operations: Operations, sinceMs: number | null): RunResource[] {
  if (sinceMs === null) return [];
  return operations
    .runs({ limit: missedRunsMax })
    .filter(
      ({ state, createdAt, startedAt, endedAt }) =>
        state === 'running' ||
        [createdAt, startedAt, endedAt].some((time) => Date.parse(time ?? '') >= sinceMs),
    )
    .reverse();
}
