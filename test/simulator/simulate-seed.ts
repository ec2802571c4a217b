/**
 * One simulated history: operations at random for a while, then all comes to rest and must agree. Everything
 * follows from the seed.
 */
import { closeCluster, type Cluster, makeCluster } from './cluster.ts';
import { Coordinators } from './coordinators.ts';
import { joined, Violation } from './invariants.ts';
import { calm } from './network.ts';
import { Operations } from './operations.ts';
import { followSchedules } from './schedules.ts';
import { closeLeftHandles } from './synchronous-files.ts';

export interface SeedResult {
  readonly seed: number;
  readonly steps: number;
  readonly virtualMs: number;
  /** Digest of all that happened. */
  readonly trace: string;
  readonly violation: Error | null;
}

/** Runs a seed to its end or to its first broken promise. The synchronous files must be installed. */
export async function simulateSeed(seed: number): Promise<SeedResult> {
  const cluster = makeCluster(seed);
  const coordinators = new Coordinators(cluster);
  let violation: Error | null = null;
  try {
    await operate(cluster, coordinators);
    await comeToRest(cluster, coordinators);
  } catch (error) {
    violation = error as Error;
  } finally {
    await closeLeftHandles();
    await closeCluster(cluster);
  }
  const { time } = cluster;
  if (violation !== null) time.note(violation.message);
  return { seed, steps: time.steps, virtualMs: time.nowMs, trace: time.endTrace(), violation };
}

async function operate(cluster: Cluster, coordinators: Coordinators): Promise<void> {
  const { network, time } = cluster;
  network.onCrash = (replica) => {
    void coordinators.dieAt(replica.name);
    void time
      .wait(1_000 + cluster.random.below(300_000), `restart ${replica.name}`)
      .then(() => replica.restart());
  };
  const operations = new Operations(cluster, coordinators);
  followSchedules(cluster, coordinators, operations.begin());
  await time.run(() => check(cluster, coordinators));
}

/** After every event: nothing went back, and no run broke its word. */
async function check({ invariants, network, replicas }: Cluster, coordinators: Coordinators): Promise<void> {
  await network.cameToRest();
  invariants.look(replicas);
  coordinators.checkTimes();
  if (coordinators.violation !== null) throw coordinators.violation;
}

async function comeToRest(cluster: Cluster, coordinators: Coordinators): Promise<void> {
  const { network, replicas, invariants } = cluster;
  if (coordinators.running.size > 0) {
    throw new Violation(
      `${[...coordinators.running].map(({ id }) => id).join(', ')} waits for nothing, for ever`,
    );
  }
  network.weather = calm;
  network.cuts.clear();
  network.onCrash = () => undefined;
  for (const replica of replicas) replica.restart();
  const greatest = joined(replicas.map((replica) => replica.store.contents()));
  let shipped = 0;
  let outcome = '';
  for (let round = 1; round <= 3; round += 1) {
    for (const replica of replicas) {
      if (replica.kind === 'banyandb') await replica.store.build();
    }
    const { report } = coordinators.start(replicas, 'operator', { confirmed: 1_000_000 });
    await cluster.time.run(() => check(cluster, coordinators));
    const done = await report;
    if (coordinators.violation !== null) throw coordinators.violation;
    shipped = done?.repair.shipped ?? Infinity;
    outcome = done === null ? 'an error' : `${done.outcome} (${done.reason ?? 'no reason'})`;
    if (done?.outcome !== 'converged') throw new Violation(`round ${round} in calm weather ended ${outcome}`);
    if (round === 2) await checkRoots(cluster);
  }
  if (shipped > 0) throw new Violation(`the third round of a cluster at rest shipped ${shipped} versions`);
  invariants.checkEnd(replicas, greatest);
}

async function checkRoots({ replicas }: Cluster): Promise<void> {
  const roots = new Set<string>();
  for (const { store } of replicas) roots.add((await store.listedTree())?.root.toString('hex') ?? '');
  if (roots.size > 1) throw new Violation(`${roots.size} roots after two rounds of a cluster at rest`);
}
