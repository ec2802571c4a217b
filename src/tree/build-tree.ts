/**
 * Builds the tree of one shard: snapshot, sorted leaf stream, slot files, tree file, publish.
 *
 * 1. Take the shard's build lock: one builder at a time, over all processes; a crash releases it.
 * 2. Remove leftovers of builds that crashed, set damaged trees aside.
 * 3. Pin a snapshot of the index. If the newest tree has its watermark and settings, skip.
 * 4. Stream the leaves in key order, packed inside SQLite, into slot files.
 * 5. Compose the tree file beside the others, fsync, publish it as the next generation, collect older ones.
 *
 * Runs in a worker thread (build-worker.ts) or inline; gives the event loop a turn per page, where it also
 * notices cancellation. Until the rename nothing of it is visible; after it everything is.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory, temporaryPath } from '../lib/atomic-file.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { yieldToEventLoop } from '../lib/event-loop.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { sameWatermark } from '../property/watermark.ts';
import { treeDirectory } from '../property-index/data-root.ts';
import { FileLock } from '../property-index/file-lock.ts';
import { checkIndexOfGroup, createIndex, type ShardIdentity } from '../property-index/schema.ts';
import { Snapshot } from '../property-index/snapshot.ts';
import { respelledRows } from './respelled-rows.ts';
import { SlotFiles } from './slot-files.ts';
import { type OnDamage, TreeDirectory } from './tree-directory.ts';
import type { TreeHeader } from './tree-header.ts';
import type { TreeReader } from './tree-reader.ts';
import { composeTree } from './tree-writer.ts';

/** How long a build waits for another process's build of the same shard: longer than any build should take. */
const buildWaitMs = 10 * 60_000;
const buildPollMs = 50;

/** How long a snapshot may pin the write-ahead log, which grows with every write meanwhile; 10 million leaves take a minute. */
export const snapshotLifeMsMax = 30 * 60_000;

export interface BuildOptions {
  readonly identity: ShardIdentity;
  readonly settings: GroupSettings;
  readonly clock: Clock;
  /** Build even when nothing changed. */
  readonly force?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
  readonly onDamage?: OnDamage | undefined;
}

export interface BuildProgress {
  readonly phase: 'reading' | 'composing';
  /** Leaves read or composed, of `total`. */
  readonly done: number;
  readonly total: number;
}

export interface BuildResult {
  readonly outcome: 'built' | 'skipped';
  /** Why it was skipped. */
  readonly reason: 'unchanged' | null;
  readonly generation: bigint;
  /** 64 bytes, or none for an empty shard. */
  readonly root: Buffer;
  readonly leaves: number;
  /** Files that failed their checks and were set aside. */
  readonly setAside: readonly string[];
}

/** Builds the tree of a shard whose group exists. Waits for another builder of the shard; throws `busy` after 10 minutes. */
export async function buildTree(options: BuildOptions): Promise<BuildResult> {
  const { identity } = options;
  const directory = new TreeDirectory(treeDirectory(identity.root, identity.group, identity.shard));
  await makeDirectory(directory.path);
  using _lock = await acquireBuildLock(directory.path, options);
  crashPoint('tree:locked');
  await directory.removeLeftovers();
  crashPoint('tree:swept');
  const setAside = await setDamagedAside(directory, options.onDamage);
  // An emptied shard has no index: it is made anew, empty, and so is its tree.
  await createIndex(identity, options.settings);
  using snapshot = new Snapshot(identity);
  checkIndexOfGroup(snapshot.path, snapshot, options.settings);
  crashPoint('tree:pinned');
  await using newest = await directory.openNewest();
  if (newest !== null && options.force !== true && isCurrent(newest, snapshot, options.settings)) {
    // A build may have died between publishing and collecting.
    await directory.collect();
    const { root, leaves } = newest.root;
    return {
      outcome: 'skipped',
      reason: 'unchanged',
      generation: newest.header.generation,
      root,
      leaves,
      setAside,
    };
  }
  const generation = await directory.nextGeneration();
  const temporary = temporaryPath(directory.pathOf(generation));
  const root = await writeTree(snapshot, { ...options, generation, path: temporary });
  await directory.publish(temporary, generation);
  await directory.collect();
  crashPoint('tree:collected');
  return { outcome: 'built', reason: null, generation, root, leaves: snapshot.totals.leaves, setAside };
}

// Who waited finds the other's tree current, as a rule, and skips.
/** Takes the build lock of a tree folder, waiting for its holder; throws `busy` after 10 minutes. */
export async function acquireBuildLock(directory: string, options: BuildOptions): Promise<FileLock> {
  const { identity, clock, signal } = options;
  const deadline = clock.monotonicMs() + buildWaitMs;
  for (;;) {
    const lock = FileLock.tryAcquire(join(directory, 'build.lock'));
    if (lock !== null) return lock;
    if (clock.monotonicMs() > deadline) {
      throw new CodedError(
        'busy',
        `another process has been building shard ${identity.shard} of ${identity.group} for long`,
        {
          ...identity,
        },
      );
    }
    await clock.sleep(buildPollMs, signal).catch((error: unknown) => {
      throw CodedError.from(signal?.aborted ? signal.reason : error);
    });
  }
}

async function setDamagedAside(directory: TreeDirectory, onDamage?: OnDamage): Promise<string[]> {
  const found: string[] = [];
  const note: OnDamage = (path, error) => {
    found.push(path);
    onDamage?.(path, error);
  };
  await using newest = await directory.openNewest(note);
  await newest?.slots().catch((error: unknown) => {
    if (!(error instanceof CodedError) || error.code !== 'damaged-file') throw error;
    note(newest.path, error);
  });
  for (const path of found) await directory.setAside(path);
  return found;
}

function isCurrent(newest: TreeReader, snapshot: Snapshot, settings: GroupSettings): boolean {
  const { header } = newest;
  return (
    sameWatermark(header.watermark, snapshot.totals.watermark) &&
    header.slots === settings.slots &&
    header.shards === settings.shards &&
    header.spelling === settings.spelling
  );
}

export interface WriteTreeOptions extends BuildOptions {
  readonly generation: bigint;
  /** Where the tree file is written; slot files lie beside it until it is composed. */
  readonly path: string;
}

/**
 * Writes a tree of a snapshot, in the spelling of the settings, durable when this returns. Returns its root digest.
 * Closes the snapshot as soon as all leaves are read; throws `timeout` when that takes more than 30 minutes.
 */
export async function writeTree(snapshot: Snapshot, options: WriteTreeOptions): Promise<Buffer> {
  const { identity, settings, clock, signal, onProgress } = options;
  const { leaves, live, watermark } = snapshot.totals;
  const scratch = temporaryPath(options.path);
  await makeDirectory(scratch);
  const slotFiles = new SlotFiles(scratch, settings.slots);
  try {
    const pages =
      snapshot.spelling === settings.spelling
        ? snapshot.leafRows()
        : respelledRows(snapshot, settings.spelling);
    let done = 0;
    const deadline = clock.monotonicMs() + snapshotLifeMsMax;
    for (const packed of pages) {
      done += slotFiles.add(packed);
      onProgress?.({ phase: 'reading', done, total: leaves });
      crashPoint('tree:page');
      await yieldToEventLoop(signal);
      if (clock.monotonicMs() > deadline) throw snapshotTooOld(snapshot.path, done, leaves);
    }
    snapshot.close();
    if (done !== leaves) {
      throw new CodedError(
        'damaged-database',
        `database ${snapshot.path} is damaged: it holds ${done} leaves and counts ${leaves}`,
        {
          path: snapshot.path,
        },
      );
    }
    crashPoint('tree:spilled');
    const header: TreeHeader = {
      group: identity.group,
      shard: identity.shard,
      shards: settings.shards,
      slots: settings.slots,
      spelling: settings.spelling,
      generation: options.generation,
      watermark,
      builtAtMs: clock.nowMs(),
    };
    let composed = 0;
    const onSlot = (slot: number) => {
      composed += slotFiles.leavesOf(slot);
      onProgress?.({ phase: 'composing', done: composed, total: leaves });
    };
    return await composeTree({
      path: options.path,
      header,
      slotFiles,
      leaves,
      liveLeaves: live,
      signal,
      onSlot,
    });
  } catch (error) {
    rmSync(options.path, { force: true });
    throw error;
  } finally {
    slotFiles.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

function snapshotTooOld(path: string, done: number, leaves: number): CodedError {
  const minutes = snapshotLifeMsMax / 60_000;
  return new CodedError(
    'timeout',
    `reading ${path} took more than ${minutes} minutes: ${done} of ${leaves} leaves were read`,
    { path, done, leaves },
  );
}
