/**
 * What the crash tests kill a process in: two data roots are filled, deleted from, written to by applications that the
 * one sends on to the other, repaired from each other, by a kept plan too, given other slot counts and built. It can be run again after a crash at any moment and ends in
 * the same contents. Every write that was acknowledged is told before anything else is done.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import type { StoredVersion } from '../../src/property/version.ts';
import { changeSlots, createGroup } from '../../src/property-index/data-root.ts';
import { Checkpointer } from '../../src/property-index/checkpointer.ts';
import { IndexWriter } from '../../src/property-index/index-writer.ts';
import { prepareIncoming } from '../../src/property-index/prepare-version.ts';
import { createIndex, type ShardIdentity } from '../../src/property-index/schema.ts';
import { carryOutPlanFile, repairShards } from '../../src/repair/repair-shards.ts';
import { PropertyStore } from '../../src/property-store/property-store.ts';
import { parseSource } from '../../src/property/source-json.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import type { ShardCopy } from '../../src/shard-copy/shard-copy.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { makeVersion } from './versions.ts';

const entities = 12;
const settings: GroupSettings = { shards: 1, slots: 4, spelling: 'compact' };

/** Slot count after the scenario. */
export const slotsInTheEnd = 8;

export interface Acknowledged {
  readonly replica: string;
  /** Entity key in hex. */
  readonly key: string;
  readonly revision: string;
  readonly deleteTime: string;
}

export function identityOf(folder: string, replica: string): ShardIdentity {
  return { root: join(folder, replica), group: 'g', shard: 0 };
}

/** Runs it in `folder`; `told` hears of each acknowledged write at once. */
export async function crashScenario(folder: string, told: (write: Acknowledged) => void): Promise<void> {
  await mkdir(folder, { recursive: true });
  await apply(folder, 'a', versions(1n, 0, entities), told);
  await apply(folder, 'b', versions(2n, 4, 8), told);
  await store(folder, told);
  await build(folder, 'a', settings);
  await build(folder, 'b', settings);
  const copies = ['a', 'b'].map(
    (replica) => new LocalShardCopy({ ...identityOf(folder, replica), clock: systemClock }),
  );
  const targets = [{ group: 'g', shard: 0, copies }];
  const options = { clock: systemClock, spoolDirectory: folder };
  await repairShards(targets, options);
  // Newer ones and deletes, such that each has something for the other.
  await apply(folder, 'a', versions(3n, 0, 4, 100n), told);
  await apply(folder, 'b', versions(3n, 8, entities), told);
  await build(folder, 'a', settings);
  await build(folder, 'b', settings);
  const planPath = join(folder, 'plan.ndjson');
  await repairShards(targets, { ...options, dryRun: true, planPath });
  await carryOutPlanFile(planPath, targets, {});
  for (const replica of ['a', 'b']) {
    const changed = await changeSlots(identityOf(folder, replica).root, 'g', slotsInTheEnd);
    await build(folder, replica, changed);
  }
  await repairShards(targets, options);
  for (const replica of ['a', 'b']) {
    await build(folder, replica, { ...settings, slots: slotsInTheEnd });
    await changeSlots(identityOf(folder, replica).root, 'g', settings.slots);
    await changeSlots(identityOf(folder, replica).root, 'g', slotsInTheEnd);
  }
}

/** Entities that the store writes; each time it does so they get other revisions. */
export const storedName = 'stored';

/** Applications write at `a`, which sends on to `b`. */
async function store(folder: string, told: (write: Acknowledged) => void): Promise<void> {
  const copy = (): ShardCopy => new LocalShardCopy({ ...identityOf(folder, 'b'), clock: systemClock });
  await using checkpointer = new Checkpointer((_path, error) => {
    throw error;
  });
  const ignored = (): void => undefined;
  await using store = new PropertyStore({
    root: identityOf(folder, 'a').root,
    held: null,
    clock: systemClock,
    checkpointer,
    replicas: { holding: () => [{ place: 'b', copy }], groupSettings: () => null },
    events: { called: ignored, clockBehind: ignored, sent: ignored, dropped: ignored },
  });
  for (const id of ['s0', 's1', 's2']) {
    const { key, source } = makeVersion({ name: storedName, id, revision: 0n });
    const about = { replica: 'a', key: key.toString('hex') };
    const { revision } = await store.apply({ property: parseSource(source), strategy: 'replace' });
    told({ ...about, revision: String(revision), deleteTime: '0' });
    if (id === 's0') continue;
    await store.delete({ group: 'g', name: storedName, id });
    told({ ...about, revision: String(revision), deleteTime: '1' });
  }
}

function versions(revision: bigint, from: number, to: number, deleteTime = 0n): StoredVersion[] {
  return Array.from({ length: to - from }, (_, at) =>
    makeVersion({ id: `e${from + at}`, revision, deleteTime, value: `v${revision}` }),
  );
}

async function apply(
  folder: string,
  replica: string,
  wanted: readonly StoredVersion[],
  told: (write: Acknowledged) => void,
): Promise<void> {
  const identity = identityOf(folder, replica);
  // In a run after a crash the group may have its other slot count already.
  await createGroup(identity.root, 'g', settings).catch(() =>
    createGroup(identity.root, 'g', { ...settings, slots: slotsInTheEnd }),
  );
  await createIndex(identity, settings);
  using writer = new IndexWriter(identity, { clock: systemClock });
  const prepared = wanted.map((version) => {
    const ready = prepareIncoming(version, writer.target);
    if (typeof ready === 'string') throw new Error(ready);
    return ready;
  });
  await writer.apply(prepared);
  for (const { key, revision, deleteTime } of wanted) {
    told({
      replica,
      key: key.toString('hex'),
      revision: String(revision),
      deleteTime: String(deleteTime),
    });
  }
}

async function build(folder: string, replica: string, wanted: GroupSettings): Promise<void> {
  await buildTree({ identity: identityOf(folder, replica), settings: wanted, clock: systemClock });
}
