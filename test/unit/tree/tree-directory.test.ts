/** Generations of one shard: which is found, what is removed, what readers keep, and builders that meet. */
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CodedError } from '../../../src/lib/coded-error.ts';
import { setCrashHook } from '../../../src/lib/crash-point.ts';
import { yieldToEventLoop } from '../../../src/lib/event-loop.ts';
import { treeDirectory } from '../../../src/property-index/data-root.ts';
import { FileLock } from '../../../src/property-index/file-lock.ts';
import { type BuildOptions, type BuildResult, buildTree } from '../../../src/tree/build-tree.ts';
import { TreeDirectory, treeFileName } from '../../../src/tree/tree-directory.ts';
import { TreeReader } from '../../../src/tree/tree-reader.ts';
import { makeTree } from '../../support/made-tree.ts';
import { naiveTree, readTree } from '../../support/naive-tree.ts';
import { Child } from '../../support/run-child.ts';
import { ShardFixture } from '../../support/shard-fixture.ts';
import { makeVersion } from '../../support/versions.ts';

let fixture: ShardFixture;
let directory: TreeDirectory;
let revision = 0n;

beforeEach(async () => {
  fixture = await ShardFixture.create();
  const { root, group, shard } = fixture.identity;
  directory = new TreeDirectory(treeDirectory(root, group, shard));
});
afterEach(async () => {
  setCrashHook(null);
  vi.restoreAllMocks();
  await fixture[Symbol.asyncDispose]();
});

function build(more: Partial<BuildOptions> = {}): Promise<BuildResult> {
  const { identity, settings, clock } = fixture;
  return buildTree({ identity, settings, clock, ...more });
}

/** A change and a build; the root. */
async function next(): Promise<string> {
  revision += 1n;
  await fixture.apply([makeVersion({ id: 'x', revision })]);
  return (await build()).root.toString('hex');
}

const names = async () => (await readdir(directory.path)).toSorted();

/** Flips a bit of a published file, `fromEnd` bytes before its end. */
async function damage(generation: bigint, fromEnd: number): Promise<void> {
  const bytes = await readFile(directory.pathOf(generation));
  bytes.writeUInt8(bytes.readUInt8(bytes.length - fromEnd) ^ 1, bytes.length - fromEnd);
  await writeFile(directory.pathOf(generation), bytes);
}

describe('a tree directory', () => {
  test('that is absent has no generations', async () => {
    expect(await directory.generations()).toEqual([]);
    expect(await directory.openNewest()).toBe(null);
    await expect(directory.open(1n)).rejects.toMatchObject({ code: 'generation-gone' });
  });

  test('finds the newest by number among other files', async () => {
    await mkdir(directory.path, { recursive: true });
    for (const generation of [9n, 10n, 0xffn])
      await makeTree(directory.pathOf(generation), [], { generation });
    for (const name of [
      '1.tree',
      'fffffffffffffffff.tree',
      `${treeFileName(0xfffn)}.damaged`,
      'ffffffffffffffFF.tree',
    ]) {
      await writeFile(join(directory.path, name), '');
    }
    expect(await directory.generations()).toEqual([9n, 10n, 0xffn]);
    await using newest = await directory.openNewest();
    expect(newest?.header.generation).toBe(0xffn);
    await using older = await directory.open(10n);
    expect(older.header.generation).toBe(10n);
  });

  test('looks anew when the newest vanishes while it is opened, instead of taking an older one', async () => {
    await mkdir(directory.path, { recursive: true });
    for (const generation of [1n, 2n]) await makeTree(directory.pathOf(generation), [], { generation });
    const open = TreeReader.open.bind(TreeReader);
    vi.spyOn(TreeReader, 'open').mockImplementationOnce(async (path) => {
      await makeTree(directory.pathOf(3n), [], { generation: 3n });
      await rm(path);
      return open(path);
    });
    await using newest = await directory.openNewest();
    expect(newest?.header.generation).toBe(3n);
  });

  test('keeps only the newest after a build, also after one that found nothing to do', async () => {
    await next();
    const kept = await readFile(directory.pathOf(1n));
    await next();
    expect(await names()).toEqual([treeFileName(2n), 'build.lock']);
    await writeFile(directory.pathOf(1n), kept);
    expect((await build()).outcome).toBe('skipped');
    expect(await names()).toEqual([treeFileName(2n), 'build.lock']);
  });

  test('gives no number twice, also when a reader set the newest tree aside', async () => {
    await next();
    await next();
    await directory.setAside(directory.pathOf(2n));
    await next();
    expect(await directory.generations()).toEqual([3n]);
  });

  test('is cleared of leftovers by the next build', async () => {
    await next();
    await writeFile(join(directory.path, 'x.tree.1-00.tmp'), 'x');
    await mkdir(join(directory.path, 'y.tmp'));
    await writeFile(join(directory.path, 'y.tmp', 'slots-0'), 'x');
    await build();
    expect(await names()).toEqual([treeFileName(1n), 'build.lock']);
  });
});

describe('a damaged newest tree', () => {
  test.each([
    ['trailer', 1],
    ['root record', 24 + 4 * 24 + 50],
    ['slot section', 24 + 4 * 24 + 85 + 50],
  ])('(%s) is told, set aside and built again under another number', async (_, fromEnd) => {
    const root = await next();
    await damage(1n, fromEnd);
    const told: [string, string][] = [];
    const onDamage = (path: string, error: CodedError) => void told.push([path, error.code]);
    const result = await build({ onDamage });
    expect(told).toEqual([[directory.pathOf(1n), 'damaged-file']]);
    expect(result).toMatchObject({ outcome: 'built', generation: 2n, setAside: [directory.pathOf(1n)] });
    expect(result.root.toString('hex')).toBe(root);
    expect(await names()).toEqual([`${treeFileName(1n)}.damaged`, treeFileName(2n), 'build.lock']);
  });

  test('is passed over for an older one by readers, who leave it in place', async () => {
    await next();
    await copyFile(directory.pathOf(1n), directory.pathOf(2n));
    await damage(2n, 1);
    const told: string[] = [];
    await using reader = await directory.openNewest((path) => void told.push(path));
    expect(reader?.path).toBe(directory.pathOf(1n));
    expect(told).toEqual([directory.pathOf(2n)]);
    expect(await directory.generations()).toEqual([1n, 2n]);
  });
});

describe('two builders of a shard', () => {
  test('take turns, and the second finds nothing to do', async () => {
    await fixture.apply([makeVersion({ id: 'x', revision: 1n })]);
    await mkdir(directory.path, { recursive: true });
    // Somebody else builds until one of them has waited; waiting takes turns and no time.
    let lock = FileLock.tryAcquire(join(directory.path, 'build.lock'));
    const sleep = vi.spyOn(fixture.clock, 'sleep').mockImplementation(async (_, signal) => {
      lock?.release();
      lock = null;
      await yieldToEventLoop(signal);
    });
    const results = await Promise.all([build(), build()]);
    expect(results.map(({ outcome }) => outcome).toSorted()).toEqual(['built', 'skipped']);
    expect(results.map(({ generation }) => generation)).toEqual([1n, 1n]);
    expect(sleep).toHaveBeenCalled();
  });

  test('wait no longer than ten minutes, and not at all once cancelled', async () => {
    await next();
    using _lock = FileLock.tryAcquire(join(directory.path, 'build.lock'));
    await expect(build()).rejects.toMatchObject({ code: 'busy' });
    expect(fixture.clock.monotonicMs()).toBeGreaterThan(600_000);
    const controller = new AbortController();
    vi.spyOn(fixture.clock, 'sleep').mockImplementation(async () => {
      controller.abort();
      throw new DOMException('aborted', 'AbortError');
    });
    const error = await build({ signal: controller.signal }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CodedError);
    expect(error).toMatchObject({ code: 'cancelled' });
  });
});

describe('a reader', () => {
  test('stays on its generation while newer ones are published and it is collected', async () => {
    const root = await next();
    await using reader = await directory.openNewest();
    for (let round = 0; round < 3; round += 1) expect(await next()).not.toBe(root);
    expect(await directory.generations()).toEqual([4n]);
    expect((await readTree(reader!)).root).toBe(root);
    await expect(directory.open(1n)).rejects.toMatchObject({ code: 'generation-gone' });
  });

  test('in another process does so too', async () => {
    const root = await next();
    const child = new Child('reader-child.ts', directory.path);
    expect(await child.line()).toBe('1');
    await next();
    await next();
    expect(await directory.generations()).toEqual([3n]);
    child.tell('read');
    expect(await child.line()).toBe(root);
    child.process.stdin?.end();
    expect((await child.ended()).code).toBe(0);
  });
});

describe('a cancelled build', () => {
  test.each([
    ['tree:page', 1],
    ['tree:page', 3],
    ['tree:spilled', 1],
  ])('at %s, time %i, leaves nothing behind', async (point, occurrence) => {
    const count = 5_000;
    const versions = Array.from({ length: count }, (_, index) =>
      makeVersion({ id: String(index), revision: 1n, value: 'x' }),
    );
    await fixture.apply(versions.slice(0, 10));
    await build();
    await fixture.apply(versions);
    const controller = new AbortController();
    let left = occurrence;
    let abortedAt = 0;
    setCrashHook((name) => {
      if (name !== point) return;
      left -= 1;
      if (left > 0) return;
      abortedAt = performance.now();
      controller.abort();
    });
    const outcome = await build({ signal: controller.signal }).catch((error: unknown) => error);
    if (point === 'tree:page') expect(outcome).toMatchObject({ code: 'cancelled' });
    expect(performance.now() - abortedAt).toBeLessThan(1_000);
    // A small tree is composed within a turn: too late to be cancelled, it is whole.
    const generation = outcome instanceof CodedError ? 1n : 2n;
    expect(await names()).toEqual([treeFileName(generation), 'build.lock']);
    setCrashHook(null);
    expect((await build()).root.toString('hex')).toBe(naiveTree(versions, 'g', 32).root);
  });
});
