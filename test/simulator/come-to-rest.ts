/**
 * The end of a simulated history: faults and writes have stopped. Within two rounds all replicas hold the same, the
 * greatest of what there was, and a third round ships nothing. Where there are BanyanDB nodes, what is held back from
 * them is exactly what no push may bring or can mend.
 */
import type { Version } from '../../src/property/version.ts';
import type { RoundReport } from '../../src/round/round-report.ts';
import type { Cluster } from './cluster.ts';
import type { Coordinators } from './coordinators.ts';
import { describe, isAtNode, joined, orderOf, sameContents, Violation } from './invariants.ts';
import { calm } from './network.ts';
import { NodeStore } from './node-store.ts';
import type { Contents, Replica } from './replica.ts';
import { startMs } from './virtual-time.ts';

const roundsToAgree = 2;

export async function comeToRest(
  cluster: Cluster,
  coordinators: Coordinators,
  check: () => Promise<void>,
): Promise<void> {
  const { network, replicas, time } = cluster;
  checkAllEnded(cluster, coordinators);
  network.weather = calm;
  network.cuts.clear();
  network.onCrash = () => undefined;
  for (const replica of replicas) replica.restart();
  const least = joined(replicas.map(({ store }) => toldBy(store)));
  const most = joined(replicas.flatMap(({ store }) => store.everything()));
  const round = async (): Promise<RoundReport | null> => {
    for (const { kind, store } of replicas) if (kind === 'banyandb') await store.build();
    const { report } = coordinators.start(replicas, 'operator', { confirmed: 1_000_000 });
    await time.run(check);
    checkAllEnded(cluster, coordinators);
    return await report;
  };
  for (let number = 1; number <= roundsToAgree; number += 1) checkRound(cluster, await round(), number);
  await checkAgreement(cluster, least, most);
  const before = replicas.map(({ store }) => store.contents());
  const pushes = pushesOf(replicas);
  const last = await round();
  checkRound(cluster, last, roundsToAgree + 1);
  const shipped = heldBack(cluster).length > 0 ? pushesOf(replicas) - pushes : (last?.repair.shipped ?? 0);
  if (shipped > 0) throw new Violation(`the third round of a cluster at rest shipped ${shipped} versions`);
  for (const [at, { name, store }] of replicas.entries()) {
    if (sameContents(before[at] as Contents, store.contents())) continue;
    throw new Violation(`the third round of a cluster at rest changed ${name}`);
  }
}

/** Nothing more happens: whatever was begun has ended, or it waits for ever. */
function checkAllEnded({ underWay, doors }: Cluster, { running }: Coordinators): void {
  if (running.size > 0) {
    const ids = [...running].map(({ id }) => id);
    throw new Violation(`${ids.join(', ')} waits for nothing, for ever`);
  }
  underWay.checkEnded();
  for (const door of doors) if (!door.dead) door.checkSettled();
}

/** What others can learn from it. */
function toldBy(store: Replica['store']): Contents {
  return store instanceof NodeStore ? store.answers() : store.contents();
}

function pushesOf(replicas: readonly Replica[]): number {
  return replicas.reduce((sum, { store }) => sum + (store instanceof NodeStore ? store.pushes : 0), 0);
}

/** A round in calm weather converges, unless something is held back from a node: then it says so. */
function checkRound(cluster: Cluster, report: RoundReport | null, number: number): void {
  const wanted = heldBack(cluster).length > 0 ? 'failed' : 'converged';
  if (report?.outcome === wanted) return;
  const outcome = report === null ? 'by an error' : `${report.outcome} (${report.reason ?? 'no reason'})`;
  throw new Violation(`round ${number} in calm weather ended ${outcome}, not ${wanted}`);
}

async function checkAgreement(cluster: Cluster, least: Contents, most: Contents): Promise<void> {
  const { replicas } = cluster;
  const end = joined(replicas.map(({ store }) => toldBy(store)));
  for (const [key, version] of end) {
    const [low, high] = [least.get(key), most.get(key)];
    if (high === undefined || orderOf(version, high) > 0)
      throw new Violation(
        `in the end there is ${JSON.stringify(key)} at ${describe(version)}, more than ever was`,
      );
    if (low !== undefined && orderOf(version, low) < 0)
      throw new Violation(
        `in the end ${JSON.stringify(key)} is ${describe(version)}, and there was ${describe(low)}`,
      );
  }
  const held = new Set(heldBack(cluster).map(({ name, key }) => `${name} ${key}`));
  let doubled = 0;
  for (const { name, store } of replicas) {
    const contents = store.contents();
    for (const key of new Set([...least.keys(), ...end.keys()])) {
      const [has, wanted] = [contents.get(key), end.get(key)];
      if (has !== undefined && wanted !== undefined && orderOf(has, wanted) === 0) continue;
      if (held.has(`${name} ${key}`)) continue;
      // Of a pair of tombstones at a node nobody learns the one that its tree does not take; the delete stands all the same.
      if (isDoubledSomewhere(replicas, key) && has && wanted && isAtNode(has, wanted)) {
        doubled += 1;
        continue;
      }
      const [found, due] = [has, wanted ?? least.get(key)].map((version) =>
        version ? describe(version) : 'nothing',
      );
      throw new Violation(`all has come to rest; ${name} has ${found} of ${JSON.stringify(key)}, not ${due}`);
    }
  }
  if (held.size + doubled === 0) await checkRoots(cluster);
  cluster.network.happenings.count('version held back from a node', held.size);
}

function isDoubledSomewhere(replicas: readonly Replica[], key: string): boolean {
  return replicas.some(({ store }) => store instanceof NodeStore && store.isDoubled(key));
}

async function checkRoots({ replicas }: Cluster): Promise<void> {
  const roots = new Set<string>();
  for (const { store } of replicas) {
    const root =
      store instanceof NodeStore ? store.root : ((await store.listedTree())?.root.toString('hex') ?? '');
    roots.add(root);
  }
  if (roots.size > 1) throw new Violation(`${roots.size} roots after two rounds of a cluster at rest`);
}

/**
 * What is rightly held back from nodes: a live version older than the cluster keeps deletes from one that lacks the
 * entity, and other content at the same revision and delete time.
 */
function heldBack({ replicas, nodeManner, time }: Cluster): { name: string; key: string }[] {
  const greatest = joined(replicas.map(({ store }) => toldBy(store)));
  const { deleteExpiryMs = null } = nodeManner;
  const nowNs = BigInt(startMs + time.nowMs) * 1_000_000n;
  const oldest = deleteExpiryMs === null ? null : nowNs - BigInt(deleteExpiryMs) * 1_000_000n;
  const isHeld = (has: Version | undefined, wanted: Version): boolean => {
    if (has === undefined) return wanted.deleteTime === 0n && oldest !== null && wanted.revision < oldest;
    const tied = has.revision === wanted.revision && has.deleteTime === wanted.deleteTime;
    return tied && !has.digest.equals(wanted.digest);
  };
  return replicas
    .filter(({ kind }) => kind === 'banyandb')
    .flatMap(({ name, store }) => {
      const contents = store.contents();
      const held = [...greatest].filter(([key, wanted]) => isHeld(contents.get(key), wanted));
      return held.map(([key]) => ({ name, key }));
    });
}
