/**
 * One simulated history: operations at random for a while, then all comes to rest and must agree. Everything
 * follows from the seed.
 */
import { setCrashHook } from '../../src/lib/crash-point.ts';
import { closeCluster, type Cluster, makeCluster } from './cluster.ts';
import { comeToRest } from './come-to-rest.ts';
import { Coordinators } from './coordinators.ts';
import type { HappeningCounts } from './happenings.ts';
import { Operations } from './operations.ts';
import { followSchedules } from './schedules.ts';
import { closeLeftHandles, setFileFault } from './synchronous-files.ts';

export interface SeedResult {
  readonly seed: number;
  readonly steps: number;
  readonly virtualMs: number;
  /** Digest of all that happened. */
  readonly trace: string;
  readonly happened: HappeningCounts;
  readonly violation: Error | null;
}

/** Runs a seed to its end or to its first broken promise. The synchronous files must be installed. */
export function simulateSeed(seed: number): Promise<SeedResult> {
  return simulateCluster(seed, makeCluster(seed));
}

/** The same with the cluster of the seed as it was made of it. */
export async function simulateCluster(seed: number, cluster: Cluster): Promise<SeedResult> {
  const coordinators = new Coordinators(cluster);
  let violation: Error | null = null;
  try {
    await operate(cluster, coordinators);
    await comeToRest(cluster, coordinators, () => check(cluster, coordinators));
  } catch (error) {
    violation = error as Error;
  } finally {
    // Who hangs in the midst of dying has not cleaned up after itself.
    setCrashHook(null);
    setFileFault(null);
    await closeLeftHandles();
    await closeCluster(cluster);
  }
  const { time, network } = cluster;
  if (violation !== null) time.note(violation.message);
  const happened = network.happenings.counts();
  return { seed, steps: time.steps, virtualMs: time.nowMs, trace: time.endTrace(), happened, violation };
}

async function operate(cluster: Cluster, coordinators: Coordinators): Promise<void> {
  const { network, time } = cluster;
  for (const { clock } of cluster.replicas)
    if (clock.skewMs !== 0) network.happenings.count('clock off from the start');
  network.onCrash = (replica) => {
    network.happenings.count('replica crashes');
    if (replica.store.hasLeftovers()) network.happenings.count('temporary files left by a crash');
    void coordinators.dieAt(replica.name);
    void time.wait(1_000 + cluster.random.below(300_000), `restart ${replica.name}`).then(() => {
      network.happenings.count('replica restarts');
      replica.restart();
    });
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
  const violation = coordinators.violation ?? network.violation;
  if (violation !== null) throw violation;
}
