/** A simulated cluster made from a seed: replicas, network, entities, and how rough the weather is. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import type { NodeCopyOptions } from '../../src/banyandb/node-shard-copy.ts';
import type { Door } from './door.ts';
import type { DoorSite } from './door-site.ts';
import { Invariants } from './invariants.ts';
import { keyedRandom } from './keyed-random.ts';
import { LocalStore } from './local-store.ts';
import { MemoryStore } from './memory-store.ts';
import { calm, Network, type Weather } from './network.ts';
import { NodeStore } from './node-store.ts';
import { Replica, type Serving, type Store } from './replica.ts';
import { narrowness, serveReplica } from './serve-replica.ts';
import { UnderWay } from './under-way.ts';
import { SkewedClock, VirtualTime } from './virtual-time.ts';

/** One seed in this many runs over real databases and tree files, which costs ten times as much. */
const realEvery = 25;

/** Share of seeds that go over the wire of production. */
const wiredShare = 1 / 10;

/** Share of seeds with BanyanDB nodes in the cluster. */
const nodesShare = 1 / 10;

/** Share of seeds over real databases in which applications write through the property stores of the replicas. */
const storesShare = 1 / 2;

/** Share of the others in which they do so at machines that hold nothing. */
const gatewaysShare = 1 / 10;

/** Greatest skew of a clock; a day off is what a machine without time service shows. */
const skewMsMax = 24 * 3_600_000;

export interface Cluster {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly replicas: readonly Replica[];
  readonly invariants: Invariants;
  /** Operations and schedules. */
  readonly underWay: UnderWay;
  /** Machines with a property store. */
  readonly sites: readonly DoorSite[];
  /** Their processes that live. */
  readonly doors: Set<Door>;
  readonly random: SeededRandom;
  readonly entities: number;
  /** Operations before all comes to rest. */
  readonly operations: number;
  /** Where coordinators put their plans. */
  readonly scratch: string;
  /** Share of operations that put an older database in place; only where there are databases. */
  readonly restores: boolean;
  /** Whether coordinators reach replicas by the wire of production. */
  readonly wired: boolean;
  /** How BanyanDB nodes are pushed to. */
  readonly nodeManner: NodeCopyOptions;
  /** Whether the nodes also repair by themselves, which brings deletes back. */
  readonly ownRepair: boolean;
}

/** A memory file system where there is one: nothing here needs to last. */
function scratchFolder(): string {
  return fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
}

export function makeCluster(seed: number): Cluster {
  const random = keyedRandom(seed, 'cluster');
  const time = new VirtualTime();
  const real = seed % realEvery === 0;
  const wired = random.chance(wiredShare);
  const withNodes = !real && random.chance(nodesShare);
  const network = new Network(time, seed, random.chance(0.1) ? calm : roughWeather(random, real));
  const scratch = fs.mkdtempSync(join(scratchFolder(), 'tallystick-simulator-'));
  const invariants = new Invariants();
  const making: Making = {
    random,
    network,
    slots: random.pick([1, 4, 32]),
    scratch,
    invariants,
  };
  const count = real ? 2 + random.below(3) : 2 + random.below(6);
  const nodes = withNodes ? Math.min(count, 1 + random.below(3)) : 0;
  const replicas = Array.from({ length: count }, (_, position) => {
    if (position < nodes) return makeNode(`r${position}`, making);
    return makeReplica(`r${position}`, real, making);
  });
  return {
    time,
    network,
    replicas,
    invariants,
    underWay: new UnderWay(),
    sites: makeSites(seed, replicas, { real, making }),
    doors: new Set(),
    random: keyedRandom(seed, 'operations'),
    entities: random.pick([1, 2, 6, 24]),
    operations: real ? 30 : 60,
    scratch,
    restores: real,
    wired,
    nodeManner: {
      pushesPerSecond: random.pick([0, 5, 200]),
      deleteExpiryMs: random.pick([null, 600_000, 7 * 24 * 3_600_000]),
    },
    ownRepair: nodes > 1 && random.chance(0.7),
  };
}

/** What replicas are made from. */
interface Making {
  readonly random: SeededRandom;
  readonly network: Network;
  readonly slots: number;
  readonly scratch: string;
  readonly invariants: Invariants;
}

/** Property stores: where databases are real at every replica, else at machines of their own. */
function makeSites(
  seed: number,
  replicas: readonly Replica[],
  { real, making }: { readonly real: boolean; readonly making: Making },
): DoorSite[] {
  const random = keyedRandom(seed, 'property stores');
  const settings = settingsOf(making);
  const site = (name: string, clock: SkewedClock, replica: Replica | null): DoorSite => ({
    ...{ name, clock, settings, replica },
    ...{ door: null, lives: 0, up: true },
  });
  if (!random.chance(real ? storesShare : gatewaysShare)) return [];
  if (real) return replicas.map((replica) => site(replica.name, replica.clock, replica));
  if (replicas.every(({ kind }) => kind === 'banyandb')) return [];
  return Array.from({ length: 1 + random.below(2) }, (_, at) => {
    const name = `d${at}`;
    return site(name, new SkewedClock(making.network.time, name, skewOf(random)), null);
  });
}

function settingsOf({ slots }: Making): GroupSettings {
  return { shards: 1, slots, spelling: 'compact' };
}

function makeReplica(name: string, real: boolean, making: Making): Replica {
  const { random, network, slots, scratch } = making;
  const { time } = network;
  const clock = new SkewedClock(time, name, skewOf(random));
  const store: Store = real
    ? new LocalStore({ place: name, root: join(scratch, name), clock, slots })
    : new MemoryStore({ place: name, clock, slots, pageLeaves: 1 + random.below(5) });
  const narrow = narrowness(random);
  const settings = settingsOf(making);
  const serve = (replica: Replica): Serving => serveReplica(replica, settings, narrow);
  return new Replica({ name, kind: 'tallystick', clock, store, serve });
}

function makeNode(name: string, { random, network, slots, invariants }: Making): Replica {
  const { time } = network;
  const clock = new SkewedClock(time, name, skewOf(random));
  const store = new NodeStore({
    place: name,
    clock,
    slots,
    onViolation: (violation) => network.broke(violation),
    onWentBack: (key, how) => {
      network.happenings.count(how);
      invariants.wentBack(name, key, time.nowMs);
    },
  });
  return new Replica({ name, kind: 'banyandb', clock, store, serve: () => store.serve() });
}

function roughWeather(random: SeededRandom, real: boolean): Weather {
  return {
    delayMs: random.pick([5, 200, 5_000]),
    lost: random.pick([0, 0.01, 0.05]),
    // There is more to die in the midst of where there are files.
    crash: random.pick(real ? [0.05, 0.15] : [0, 0.01, 0.03]),
    repeated: random.pick([0, 0.2]),
    leaseEnds: random.pick([0, 0.02]),
  };
}

function skewOf(random: SeededRandom): number {
  return random.chance(0.5) ? 0 : random.below(2 * skewMsMax) - skewMsMax;
}

export async function closeCluster({ replicas, doors, scratch }: Cluster): Promise<void> {
  for (const door of doors) await door[Symbol.asyncDispose]();
  for (const replica of replicas) await replica.close();
  fs.rmSync(scratch, { recursive: true, force: true });
}
