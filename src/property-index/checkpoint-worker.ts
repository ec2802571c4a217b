/** The checkpointer's thread: moves one write-ahead log at a time and answers when it is done. */
import { parentPort } from 'node:worker_threads';
import { assert } from '../lib/assert.ts';
import { CodedError } from '../lib/coded-error.ts';
import { guardDatabase, openDatabase } from './database.ts';

export interface CheckpointRequest {
  readonly id: number;
  readonly path: string;
}

export interface CheckpointResponse {
  readonly id: number;
  /** {@link CodedError.toJSON}, or null when the log was moved. */
  readonly error: unknown;
}

/** Pages of a log that is begun anew: 128 MiB. */
const longLogPages = 32_768;

assert(parentPort !== null, 'the checkpoint worker runs in a worker thread');
const port = parentPort;
port.on('message', (request: CheckpointRequest | null) => {
  // Null ends the thread.
  if (request === null) port.close();
  else port.postMessage({ id: request.id, error: moveLog(request.path) } satisfies CheckpointResponse);
});

function moveLog(path: string): unknown {
  try {
    const database = openDatabase(path, { mode: 'write', checkpointsElsewhere: true });
    try {
      guardDatabase(path, () => {
        // The long part runs beside writers. The short rest holds them off so that the log can begin anew: only
        // where it has grown long, since writers wait for it.
        const [moved] = database.pragma('wal_checkpoint(PASSIVE)') as { log: number }[];
        if ((moved?.log ?? 0) >= longLogPages) database.pragma('wal_checkpoint(RESTART)');
      });
      return null;
    } finally {
      database.close();
    }
  } catch (error) {
    return CodedError.from(error).toJSON();
  }
}
