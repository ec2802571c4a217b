/** A property store on a data root of its own, with other replicas that tests make up. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import type { Property, TagValue } from '../../src/property/property.ts';
import { Checkpointer } from '../../src/property-index/checkpointer.ts';
import { createGroup } from '../../src/property-index/data-root.ts';
import { IndexReader } from '../../src/property-index/index-reader.ts';
import { PropertyStore, type PropertyStoreOptions } from '../../src/property-store/property-store.ts';
import type { OtherReplica } from '../../src/property-store/replicas.ts';
import type { ShardCopy, StoredVersion } from '../../src/shard-copy/shard-copy.ts';

export const oneShard: GroupSettings = { shards: 1, slots: 32, spelling: 'compact' };

/** Time as it is, moved by an offset that tests set. */
export class OffsetClock implements Clock {
  offsetMs = 0;
  nowNs(): bigint {
    return systemClock.nowNs() + BigInt(this.offsetMs) * 1_000_000n;
  }
  nowMs(): number {
    return systemClock.nowMs() + this.offsetMs;
  }
  monotonicMs(): number {
    return systemClock.monotonicMs();
  }
  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(delayMs, signal);
  }
}

export interface MadeStore {
  readonly store: PropertyStore;
  readonly root: string;
  readonly clock: OffsetClock;
  /** Every event, in order: name, then what it was told. */
  readonly events: unknown[][];
  /** Resolves with the next event of that name, also one that was told already and not taken. */
  event(name: string): Promise<unknown[]>;
  /** The newest versions of a shard of group `g`. */
  versions(shard?: number): StoredVersion[];
}

/** A store whose data root has the group `g` with these settings. */
export async function makeStore(
  options: Partial<PropertyStoreOptions> & { readonly settings?: GroupSettings } = {},
): Promise<MadeStore> {
  const root = mkdtempSync(join(tmpdir(), 'tallystick-store-'));
  await createGroup(root, 'g', options.settings ?? oneShard);
  const clock = new OffsetClock();
  const events: unknown[][] = [];
  const waiting: { name: string; tell: (event: unknown[]) => void }[] = [];
  let taken = 0;
  const note = (...event: unknown[]): void => {
    events.push(event);
    const at = waiting.findIndex(({ name }) => name === event[0]);
    if (at < 0) return;
    taken = events.length;
    waiting.splice(at, 1)[0]?.tell(event);
  };
  const checkpointer = new Checkpointer((_path, error) => note('checkpoint', error));
  const store = new PropertyStore({
    ...{ root, clock, checkpointer, held: null },
    replicas: replicasOf(),
    events: {
      called: (call, code) => note('called', call, code),
      clockBehind: (behindNs) => note('clockBehind', behindNs),
      sent: (place, versions) => note('sent', place, versions),
      dropped: (place, versions, reason, error) => note('dropped', place, versions, reason, error),
    },
    ...options,
  });
  onTestFinished(async () => {
    await store[Symbol.asyncDispose]();
    await checkpointer[Symbol.asyncDispose]();
    rmSync(root, { recursive: true, force: true });
  });
  return {
    ...{ store, root, clock, events },
    event: (name) => {
      const at = events.findIndex((event, position) => position >= taken && event[0] === name);
      if (at >= 0) {
        taken = at + 1;
        return Promise.resolve(events[at] ?? []);
      }
      return new Promise((tell) => waiting.push({ name, tell }));
    },
    versions: (shard = 0) => {
      using reader = new IndexReader({ root, group: 'g', shard });
      return [...reader.allPages(1_000)].flat();
    },
  };
}

/** Other replicas that all hold every shard, each with the one copy given. */
export function replicasOf(...copies: readonly ShardCopy[]): PropertyStoreOptions['replicas'] {
  const others: OtherReplica[] = copies.map((copy) => ({ place: copy.place, copy: () => copy }));
  return { holding: () => others, groupSettings: () => null };
}

/** A property of group `g`, name `n`, as an application sends it: texts and numbers as tags. */
export function sent(
  id: string,
  tags: Readonly<Record<string, string | number | TagValue>>,
  more: Partial<Property> = {},
): Property {
  return {
    ...{ group: 'g', name: 'n', id, metadataId: 0, createRevision: 0n, modRevision: 0n, updatedAt: null },
    tags: Object.entries(tags).map(([key, value]) => ({
      key,
      value:
        typeof value === 'string'
          ? { kind: 'str', value }
          : typeof value === 'number'
            ? { kind: 'int', value: BigInt(value) }
            : value,
    })),
    ...more,
  };
}

/** A property's tags as plain values. */
export function plainTags({ tags }: Property): Record<string, unknown> {
  return Object.fromEntries(
    tags.map(({ key, value }) => [key, value !== null && 'value' in value ? value.value : null]),
  );
}
