/**
 * Live progress as server-sent events: each `run` event is the run as it is at that moment, so that a reader that
 * connects anew has missed nothing it needs; `end` follows the last one of a single run.
 */
import type { ServerResponse } from 'node:http';
import { CodedError } from '../lib/coded-error.ts';
import type { Operations } from './operations.ts';
import type { RunResource } from './resources.ts';

/** Streams at a time: people and dashboards, not machines. */
const streamsMax = 100;

/** Bytes that wait for a slow reader; beyond it events are left out, the next one tells where things stand. */
const waitingBytesMax = 1024 * 1024;

/** A comment goes this often, so that what lies between does not take the silence for an end. */
const heartbeatMs = 15_000;

export class EventStreams {
  readonly #open = new Set<ServerResponse>();

  /** Takes over a response and writes the runs that move on, `id` null for all, until the reader goes. Throws `busy`, `not-found`. */
  follow(operations: Operations, id: string | null, response: ServerResponse): void {
    if (this.#open.size >= streamsMax)
      throw new CodedError('busy', `${streamsMax} event streams are open already`);
    const first = id === null ? null : operations.run(id);
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      // A stream ends with its connection: kept alive, it would hold up the end of the server.
      connection: 'close',
    });
    response.write(': runs follow as they move on\n\n');
    this.#open.add(response);
    let number = 0;
    const tell = (run: RunResource): void => {
      const last = id !== null && run.state === 'ended';
      if (response.writableLength < waitingBytesMax || last) {
        number += 1;
        response.write(`id: ${number}\nevent: run\ndata: ${JSON.stringify(run)}\n\n`);
      }
      if (last) response.end('event: end\ndata: {}\n\n');
    };
    const stop = operations.follow(id, tell);
    const heartbeat = setInterval(() => response.write(': still here\n\n'), heartbeatMs);
    heartbeat.unref();
    response.once('close', () => {
      clearInterval(heartbeat);
      stop();
      this.#open.delete(response);
    });
    if (first !== null) tell(first);
  }

  /** Ends all of them. */
  close(): void {
    for (const response of this.#open) response.end();
  }
}
