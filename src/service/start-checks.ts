/** What is checked before a replica serves: the data root can be written, there is space, the clock is plausible, nobody else serves it. */
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory } from '../lib/atomic-file.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { FileLock } from '../property-index/file-lock.ts';
import type { Events } from './events.ts';

/** Below this nothing is begun: a build or a write-ahead log would fill the disk. */
const freeBytesMin = 16 * 1024 * 1024;

/** Below this a warning is given. */
const freeBytesWanted = 256 * 1024 * 1024;

/** A clock before this was never set. */
const clockMsMin = Date.UTC(2024, 0, 1);

/** Checks the data root and takes the lock that keeps a second service off it. Throws `io`, `busy`, `bad-settings`. */
export async function takeDataRoot(root: string, clock: Clock, events: Events): Promise<FileLock> {
  await makeDirectory(join(root, 'data')).catch((error: unknown) => {
    throw notUsable(root, error);
  });
  const probe = join(root, `.probe-${process.pid}`);
  try {
    await writeFile(probe, 'x', { mode: 0o600 });
  } catch (error) {
    throw notUsable(root, error);
  } finally {
    await rm(probe, { force: true });
  }
  const free = await freeBytes(root);
  if (free < freeBytesMin) {
    throw new CodedError(
      'io',
      `the disk of ${root} has ${free} bytes left; ${freeBytesMin} are wanted to begin`,
      { path: root, free },
    );
  }
  if (free < freeBytesWanted) {
    events.problem(
      'disk',
      new CodedError('io', `${free} bytes are left`, { path: root, free }),
      'the disk of the data root is nearly full',
    );
  }
  if (clock.nowMs() < clockMsMin) {
    const error = new CodedError('bad-settings', `it says ${new Date(clock.nowMs()).toISOString()}`);
    events.problem('clock', error, 'the clock was never set; writes would lose to older ones');
  }
  const lock = FileLock.tryAcquire(join(root, 'serve.lock'));
  if (lock !== null) return lock;
  throw new CodedError('busy', `another process serves ${root}`, { path: root });
}

/** Bytes that may still be written beside `path`. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

function notUsable(root: string, error: unknown): CodedError {
  const { message, details } = CodedError.from(error);
  return new CodedError(
    'io',
    `the data root ${root} cannot be written: ${message}`,
    { ...details, path: root },
    { cause: error },
  );
}
