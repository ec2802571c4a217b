/**
 * What it costs to make two replicas agree over the wire, in processes of their own on loopback, beside (a) the
 * raw limit: the same values in the same batches checked and written durably into an empty index in this process, and
 * (b) a model of BanyanDB's exchange, run on fewer properties and scaled by their number. How much of the raw limit is
 * writing alone is told beside it.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { createGroup } from '../../src/property-index/data-root.ts';
import { IndexReader } from '../../src/property-index/index-reader.ts';
import { IndexWriter } from '../../src/property-index/index-writer.ts';
import { prepareIncoming } from '../../src/property-index/prepare-version.ts';
import { createIndex, type ShardIdentity } from '../../src/property-index/schema.ts';
import { entityHash, slotOf } from '../../src/property/placement.ts';
import { parseEntityKey } from '../../src/property/entity.ts';
import { applyBatchRowsMax, type StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { ServedReplica } from '../support/served-replica.ts';
import {
  against,
  alone,
  type BenchCase,
  type Figure,
  median,
  serviceEnvironment,
  timed,
} from './bench-case.ts';
import { fillInLockstep } from './lockstep-model.ts';
import { benchSettings, fillShard } from './made-shard.ts';
import { type RoundCost, roundInChild } from './round-child.ts';

/** Properties on which the lockstep model is run. */
const lockstepCount = 3_000;

type Way = 'pull' | 'push';

interface Measured extends RoundCost {
  readonly servePeakMib: number;
}

/** Fills, halves and equals of `count` properties; `valueBytes` is the text of each. */
export function networkCase(count: number, valueBytes: number): BenchCase {
  return {
    name: `network-${count}`,
    description: `agreement over loopback: ${count} properties of ${valueBytes} bytes, one replica empty, half full, equal`,
    run: async (directory) => {
      const [full, half, other] = ['full', 'half', 'other'].map((name) => join(directory, name)) as [
        string,
        string,
        string,
      ];
      const identity = await fillShard({ root: full, to: count, valueBytes });
      await build(identity);
      const figures: Figure[] = [];
      // Between two of the limit, so that a machine that is busy for a while is so for both.
      const raws = [await rawLimit(identity, join(directory, 'raw'))];
      const costs: { way: Way; cost: Measured }[] = [];
      for (const way of ['pull', 'push'] as const) {
        costs.push({ way, cost: await fill(full, other, way) });
        raws.push(await rawLimit(identity, join(directory, 'raw')));
        if (way === 'push') figures.push(...(await equalShards(full, other)));
        await rm(other, { recursive: true });
      }
      const limit = median(raws.map(({ ms }) => ms));
      figures.push(
        alone(
          `raw limit of ${count}, of which writing`,
          'ms',
          median(raws.map(({ writeMs }) => writeMs)),
          null,
        ),
      );
      const lockstep = await lockstepLimit(directory, valueBytes, count);
      for (const { way, cost } of costs)
        figures.push(...fillFigures(`fill ${count} by ${way}`, cost, limit, lockstep));
      await build(await fillShard({ root: half, to: count / 2, valueBytes }));
      const halved = await round(full, half, 'pull');
      checkCost(halved, count / 2);
      figures.push(against(`half of ${count} missing, by pull`, 'ms', halved.ms, limit / 2, 2));
      figures.push(...wireFigures(`half of ${count} missing, by pull`, halved, null));
      return figures;
    },
  };
}

/** Peak memory of both ends where one replica is empty. */
export function networkMemoryCase(count: number): BenchCase {
  return {
    name: `network-memory-${count}`,
    description: `peak memory of both ends: ${count} properties, one replica empty`,
    run: async (directory) => {
      const [full, other] = [join(directory, 'full'), join(directory, 'other')];
      await build(await fillShard({ root: full, to: count, valueBytes: 300 }));
      const figures: Figure[] = [];
      for (const way of ['pull', 'push'] as const) {
        const cost = await fill(full, other, way);
        checkCost(cost, count);
        figures.push(alone(`fill ${count} by ${way}`, 'ms', cost.ms, null));
        figures.push(
          alone(`fill ${count} by ${way}, coordinator's peak memory`, 'MiB', cost.peakMemoryMib, 256),
        );
        figures.push(alone(`fill ${count} by ${way}, peer's peak memory`, 'MiB', cost.servePeakMib, 256));
        await rm(other, { recursive: true });
      }
      return figures;
    },
  };
}

/** The empty replica coordinates and pulls, or is served and is pushed to. */
async function fill(full: string, other: string, way: Way): Promise<Measured> {
  await mkdir(other);
  return await round(full, other, way);
}

async function round(full: string, other: string, way: Way): Promise<Measured> {
  const [served, root] = way === 'pull' ? [full, other] : [other, full];
  await using replica = await ServedReplica.start({
    root: served,
    environment: serviceEnvironment,
  });
  const cost = await roundInChild({ root, place: replica.place });
  return { ...cost, servePeakMib: replica.peakMemoryMib() };
}

function fillFigures(name: string, cost: Measured, limit: number, lockstep: number): Figure[] {
  return [
    against(`${name}, raw limit beside it`, 'ms', cost.ms, limit, 2),
    // Told upside down, so that less is better: our time as a share of the model's.
    against(`${name}, model of BanyanDB beside it`, 'ms', cost.ms, lockstep, 0.1),
    ...wireFigures(name, cost, 1.05),
  ];
}

function wireFigures(name: string, cost: Measured, most: number | null): Figure[] {
  return [
    against(`${name}, bytes on the wire over values`, 'bytes', cost.wireBytes, cost.valueBytes, most),
    alone(`${name}, messages`, 'messages', cost.messages, null),
    alone(`${name}, round trips`, 'calls', cost.calls, null),
  ];
}

/** A round over equal shards: what telling so costs. */
async function equalShards(full: string, other: string): Promise<Figure[]> {
  await using replica = await ServedReplica.start({
    root: other,
    environment: serviceEnvironment,
  });
  const cost = await roundInChild({ root: full, place: replica.place, onlyAsk: true });
  checkCost(cost, 0);
  return [
    alone('equal shards, told in', 'calls', cost.calls, 1),
    alone('equal shards, protobuf', 'bytes', cost.protobufBytes, 200),
    alone('equal shards, on the wire with connection and headers', 'bytes', cost.wireBytes, null),
    alone('equal shards', 'ms', cost.ms, null),
  ];
}

function checkCost({ outcome, reason, changed }: RoundCost, wanted: number): void {
  if (outcome !== 'converged' || changed !== wanted)
    throw new Error(`${outcome} (${reason}): ${changed} changed, not ${wanted}`);
}

async function build(identity: ShardIdentity): Promise<void> {
  await buildTree({ identity, settings: benchSettings, clock: systemClock });
}

/** Milliseconds to check and write all values, and to write alone, in the order and batches in which they come over the wire. */
async function rawLimit(from: ShardIdentity, root: string): Promise<{ ms: number; writeMs: number }> {
  const batches = batchesOf(from);
  const identity = { ...from, root };
  await createGroup(root, from.group, benchSettings);
  await createIndex(identity, benchSettings);
  {
    using writer = new IndexWriter(identity, { clock: systemClock });
    let writeMs = 0;
    const { ms } = await timed(async () => {
      for (const batch of batches) {
        const rows = batch.map((version) => {
          const prepared = prepareIncoming(version, writer.target);
          if (typeof prepared === 'string') throw new Error(prepared);
          return prepared;
        });
        writeMs += (await timed(() => writer.apply(rows))).ms;
      }
    });
    await rm(root, { recursive: true });
    return { ms, writeMs };
  }
}

function batchesOf(from: ShardIdentity): StoredVersion[][] {
  using reader = new IndexReader(from);
  const slots: StoredVersion[][] = Array.from({ length: benchSettings.slots }, () => []);
  for (const page of reader.allPages(1_000)) {
    for (const version of page) {
      slots[slotOf(entityHash(parseEntityKey(from.group, version.key)), benchSettings.slots)]?.push(version);
    }
  }
  const rows = slots.flat();
  const batches: StoredVersion[][] = [];
  for (let start = 0; start < rows.length; start += applyBatchRowsMax)
    batches.push(rows.slice(start, start + applyBatchRowsMax));
  return batches;
}

/** Milliseconds the model of BanyanDB's exchange would take for `count`, by what it takes for a few. */
async function lockstepLimit(directory: string, valueBytes: number, count: number): Promise<number> {
  const [from, to] = [join(directory, 'lockstep-from'), join(directory, 'lockstep-to')];
  await build(await fillShard({ root: from, to: lockstepCount, valueBytes }));
  const { ms, applied } = await fillInLockstep(from, to);
  if (applied !== lockstepCount) throw new Error(`the model applied ${applied} of ${lockstepCount}`);
  return (ms / lockstepCount) * count;
}
