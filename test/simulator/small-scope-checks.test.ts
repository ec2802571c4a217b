/** Each check of the small scope can fail: copies that break a promise on purpose are found by the check that is for it. */
import { afterEach, expect, test, vi } from 'vitest';
import { CodedError } from '../../src/lib/coded-error.ts';
import type { ApplyOptions, ApplySession, StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { SmallScope } from './small-scope.ts';
import { smallScopeScratch } from './small-scope-scratch.ts';

const scratch = smallScopeScratch();
afterEach(() => void vi.restoreAllMocks());

const { openView, openApply } = MemoryShardCopy.prototype;

/** All schedules of so many steps over two entities. */
function explore(depth: number): Promise<unknown> {
  return new SmallScope({ entities: 2, depth, outOfTime: () => false, scratch }).explore();
}

/** Copies whose view is told to be of a tree with nothing in it, where `which` says so. */
function emptyViews(which: (copy: MemoryShardCopy) => boolean): void {
  vi.spyOn(MemoryShardCopy.prototype, 'openView').mockImplementation(async function (
    this: MemoryShardCopy,
    options,
  ) {
    if (!which(this)) return await openView.call(this, options);
    const empty = new MemoryShardCopy({ place: this.place, settings: this.settings });
    empty.build();
    return await openView.call(empty, options);
  });
}

/** Copies that do with a batch what `apply` says, and tell that they took it. */
function applying(
  which: (copy: MemoryShardCopy) => boolean,
  apply: (copy: MemoryShardCopy, batch: readonly StoredVersion[]) => void,
): void {
  vi.spyOn(MemoryShardCopy.prototype, 'openApply').mockImplementation(async function (
    this: MemoryShardCopy,
    options: ApplyOptions,
  ): Promise<ApplySession> {
    if (!which(this)) return await openApply.call(this, options);
    return {
      apply: async (batch) => {
        apply(this, batch);
        return batch.map(() => ({ result: 'applied' as const }));
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  });
}

const always = (): boolean => true;
const stale = (copy: MemoryShardCopy): boolean => copy.stale;

test('a replica that goes back', async () => {
  applying(stale, (copy, batch) => {
    for (const { key } of batch) copy.forget(key);
    copy.load(batch);
  });
  await expect(explore(5)).rejects.toThrow(/^after .*: repair from r\d.*: e\d at r\d went back$/);
});

test('a repair that says matched over trees that differ', async () => {
  emptyViews(stale);
  await expect(explore(4)).rejects.toThrow(/^after .*: it says matched, and trees differ$/);
});

test('a repair after which a replica lacks a version of the trees', async () => {
  applying(stale, () => undefined);
  await expect(explore(4)).rejects.toThrow(
    /^after .*: it says repaired, and r\d lacks a version of the trees$/,
  );
});

test('a whole repair that is not ended as one', async () => {
  vi.spyOn(MemoryShardCopy.prototype, 'openView').mockImplementation(() => {
    throw new CodedError('unreachable', 'it is away');
  });
  await expect(explore(1)).rejects.toThrow(/^after nothing: a whole repair ended (inconclusive|failed)$/);
});

test('replicas that do not come to rest', async () => {
  applying(always, () => undefined);
  await expect(explore(1)).rejects.toThrow(/^after nothing: write e\d at r\d: at rest it ends repaired$/);
});

test('replicas that come to rest without the greatest version', async () => {
  emptyViews((copy) => !copy.stale);
  await expect(explore(1)).rejects.toThrow(
    /^after nothing: write e\d at r\d: at rest r\d does not hold the greatest version$/,
  );
});
