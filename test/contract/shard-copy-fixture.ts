/** What the contract of shard copies is run on, and how its tests read and write a copy. */
import type {
  ApplyResult,
  Fetched,
  Leaf,
  ShardCopy,
  ShardView,
  SlotSummary,
  StoredVersion,
} from '../../src/shard-copy/shard-copy.ts';
import { makeVersion } from '../support/versions.ts';

/** An empty copy of shard 0 of group `g`: 1 shard, 32 slots, compact, not built yet. */
export interface ShardCopyFixture {
  readonly copy: ShardCopy;
  /** Applies versions as a writer of the replica would. */
  load(versions: readonly StoredVersion[]): void | Promise<void>;
  /** Makes and publishes a tree of what is there. */
  build(): void | Promise<void>;
  dispose(): void | Promise<void>;
}

export const settings = { shards: 1, slots: 32, spelling: 'compact' } as const;

export function many(count: number, revision = 10n): StoredVersion[] {
  return Array.from({ length: count }, (_, at) => makeVersion({ id: `e${at}`, revision }));
}

export async function leavesOf(
  view: ShardView,
  slots: readonly number[],
): Promise<{ slot: number; leaves: Leaf[] }[]> {
  const found: { slot: number; leaves: Leaf[] }[] = [];
  for await (const { slot, leaves } of view.leaves(slots)) {
    const last = found.at(-1);
    if (last?.slot === slot) last.leaves.push(...leaves);
    else found.push({ slot, leaves: [...leaves] });
  }
  return found;
}

export async function slotsOf(view: ShardView): Promise<SlotSummary[]> {
  const slots: SlotSummary[] = [];
  for await (const page of view.slots()) slots.push(...page);
  return slots;
}

export async function allLeaves(view: ShardView): Promise<Leaf[]> {
  const slots = await slotsOf(view);
  return (
    await leavesOf(
      view,
      slots.map(({ slot }) => slot),
    )
  ).flatMap(({ leaves }) => leaves);
}

/** What a version says, however it is held. */
function plain({ key, revision, deleteTime, digest, source }: StoredVersion): StoredVersion {
  return { key, revision, deleteTime, digest, source };
}

export async function fetchAll(copy: ShardCopy, keys: readonly Buffer[]): Promise<Fetched[]> {
  const found: Fetched[] = [];
  for await (const page of copy.fetch(keys))
    found.push(...page.map(({ key, version }) => ({ key, version: version && plain(version) })));
  return found;
}

export async function applyAll(
  copy: ShardCopy,
  batch: readonly StoredVersion[],
): Promise<readonly ApplyResult[]> {
  await using session = await copy.openApply({ settings, confirmed: null });
  return await session.apply(batch);
}

export const results = (list: readonly ApplyResult[]): string[] => list.map(({ result }) => result);
