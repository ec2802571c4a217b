/**
 * What must hold in a simulated cluster, whatever happens. Written without the order and the comparisons of the
 * code under test, so that a fault there does not hide itself.
 */
import type { RoundReport } from '../../src/round/run-round.ts';
import type { Version } from '../../src/property/version.ts';
import type { Contents, Replica } from './replica.ts';
import type { Run } from './run.ts';

/** A broken promise, with what shows it. */
export class Violation extends Error {}

/** The total order of versions, said once more: revision, then delete time, then digest. */
export function orderOf(a: Version, b: Version): number {
  if (a === b) return 0;
  const sign = (x: bigint, y: bigint): number => (x < y ? -1 : x > y ? 1 : 0);
  return (
    sign(a.revision, b.revision) ||
    sign(a.deleteTime, b.deleteTime) ||
    sign(BigInt(`0x${a.digest.toString('hex')}`), BigInt(`0x${b.digest.toString('hex')}`))
  );
}

export function sameContents(a: Contents, b: Contents): boolean {
  if (a.size !== b.size) return false;
  for (const [key, version] of a) {
    const other = b.get(key);
    if (other === undefined || orderOf(version, other) !== 0) return false;
  }
  return true;
}

/** The greatest version of each entity over all contents. */
export function joined(all: readonly Contents[]): Contents {
  const greatest = new Map<string, Version>();
  for (const contents of all) {
    for (const [key, version] of contents) {
      const before = greatest.get(key);
      if (before === undefined || orderOf(before, version) < 0) greatest.set(key, version);
    }
  }
  return greatest;
}

export class Invariants {
  /** Per replica, what it held when it was last looked at. */
  readonly #seen = new Map<Replica, Contents>();

  /** Holds every replica that was touched to what it held before. */
  look(replicas: readonly Replica[]): void {
    for (const replica of replicas) {
      if (!replica.touched) continue;
      replica.touched = false;
      const now = replica.store.contents();
      this.#compare(replica.name, this.#seen.get(replica) ?? new Map(), now);
      this.#seen.set(replica, now);
    }
  }

  #compare(place: string, before: Contents, now: Contents): void {
    for (const [key, old] of before) {
      const version = now.get(key);
      const entity = JSON.stringify(key);
      if (version === undefined) throw new Violation(`${place} lost ${entity} at ${describe(old)}`);
      if (old.deleteTime !== 0n && version.deleteTime === 0n && version.revision <= old.revision) {
        throw new Violation(
          `${place} undid the delete of ${entity}: ${describe(old)}, now ${describe(version)}`,
        );
      }
      if (orderOf(version, old) < 0) {
        throw new Violation(
          `${place} went back with ${entity} from ${describe(old)} to ${describe(version)}`,
        );
      }
    }
  }

  /** An operator put an older database in place: what is there now is what counts. */
  forget(replica: Replica): void {
    this.#seen.delete(replica);
    replica.touched = true;
  }

  /** A tree that is said to be of the index as it is must be. */
  checkFresh(replica: Replica, stale: boolean, tree: Contents): void {
    if (stale || sameContents(tree, replica.store.contents())) return;
    throw new Violation(`${replica.name} says its tree is of its index as it is, and it is not`);
  }

  /** A write that was acknowledged is there. */
  checkWritten(replica: Replica, key: string, before: Version | undefined): void {
    const now = replica.store.contents().get(key);
    if (now === undefined)
      throw new Violation(`${replica.name} acknowledged ${JSON.stringify(key)} and has none`);
    if (before !== undefined && orderOf(now, before) < 0) {
      throw new Violation(`${replica.name} answered a write of ${JSON.stringify(key)} by an older version`);
    }
  }

  /** Holds a run to what it says of itself. */
  checkReport(run: Run, report: RoundReport, replicas: readonly Replica[]): void {
    const [shard] = report.repair.shards;
    const places = shard?.copies.map(({ place }) => place) ?? [];
    const compared = places.map((place) => ({ place, contents: run.compared.get(place) ?? new Map() }));
    if (shard?.outcome === 'matched') checkMatched(run, places, replicas);
    if (report.outcome !== 'converged') {
      if (!report.reason) throw new Violation(`${run.id} ended ${report.outcome} and does not say why`);
      return;
    }
    if (places.length < replicas.length) {
      throw new Violation(`${run.id} says converged over ${places.length} of ${replicas.length} copies`);
    }
    const wanted = joined(compared.map(({ contents }) => contents));
    for (const replica of replicas) this.#checkHas(replica, wanted, `${run.id} says converged`);
  }

  #checkHas(replica: Replica, wanted: Contents, why: string): void {
    const held = replica.store.contents();
    for (const [key, version] of wanted) {
      const has = held.get(key);
      if (has !== undefined && orderOf(has, version) >= 0) continue;
      const found = has === undefined ? 'nothing' : describe(has);
      throw new Violation(
        `${why}; ${replica.name} has ${found} of ${JSON.stringify(key)}, not ${describe(version)}`,
      );
    }
  }

  /** When all has come to rest every replica holds the greatest of all there was, and its tree says so. */
  checkEnd(replicas: readonly Replica[], greatest: Contents): void {
    for (const replica of replicas) {
      this.#checkHas(replica, greatest, 'all has come to rest');
      if (!sameContents(replica.store.contents(), greatest)) {
        throw new Violation(`${replica.name} holds more in the end than there ever was`);
      }
    }
  }
}

function checkMatched(run: Run, places: readonly string[], replicas: readonly Replica[]): void {
  const compared = places.map((place) => {
    const foreign = replicas.find(({ name }) => name === place)?.kind === 'banyandb';
    return { place, contents: foreign ? run.comparedLive(place) : (run.compared.get(place) ?? new Map()) };
  });
  const [first] = compared;
  const unlike = compared.find(({ contents }) => first && !sameContents(first.contents, contents));
  if (unlike) throw new Violation(`${run.id} says matched; ${first?.place} and ${unlike.place} differ`);
}

function describe({ revision, deleteTime, digest }: Version): string {
  const state = deleteTime === 0n ? 'live' : `deleted ${deleteTime}`;
  return `(${revision}, ${state}, ${digest.toString('hex', 0, 4)})`;
}
