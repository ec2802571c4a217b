/**
 * What must hold in a simulated cluster, whatever happens. Written without the order and the comparisons of the
 * code under test, so that a fault there does not hide itself.
 */
import type { RoundReport } from '../../src/round/round-report.ts';
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

/**
 * Whether a BanyanDB node that has `has` lacks nothing of `wanted`. Of two tombstones of one revision it keeps whichever
 * comes last, and it stamps some anew; none is less a delete than the other.
 */
export function isAtNode(has: Version, wanted: Version): boolean {
  if (has.revision !== wanted.revision) return has.revision > wanted.revision;
  if (has.deleteTime !== 0n) return true;
  return wanted.deleteTime === 0n && orderOf(has, wanted) >= 0;
}

export class Invariants {
  /** Per replica, what it held when it was last looked at. */
  readonly #seen = new Map<string, Contents>();
  /** Digests of all versions that anybody wrote. */
  readonly #written = new Set<string>();
  /** Per replica and entity, when it last went back by what the store itself does. */
  readonly #wentBackMs = new Map<string, number>();

  /** Holds every replica that was touched to what it held before. */
  look(replicas: readonly Replica[]): void {
    for (const replica of replicas) {
      if (!replica.touched) continue;
      replica.touched = false;
      const now = replica.store.contents();
      const before = this.#seen.get(replica.name) ?? new Map();
      if (now === before && replica.kind === 'tallystick') continue;
      this.#compare(replica, before, now);
      // A node stamps tombstones of its own.
      if (replica.kind === 'banyandb')
        for (const held of replica.store.everything()) this.wrote(held.values());
      else this.#checkWritten(replica.name, before, now);
      this.#seen.set(replica.name, now);
    }
  }

  #compare({ name, kind }: Replica, before: Contents, now: Contents): void {
    for (const [key, old] of before) {
      const version = now.get(key);
      const entity = JSON.stringify(key);
      if (version === undefined) throw new Violation(`${name} lost ${entity} at ${describe(old)}`);
      if (version === old) continue;
      if (old.deleteTime !== 0n && version.deleteTime === 0n && version.revision <= old.revision) {
        throw new Violation(
          `${name} undid the delete of ${entity}: ${describe(old)}, now ${describe(version)}`,
        );
      }
      const forward = kind === 'banyandb' ? isAtNode(version, old) : orderOf(version, old) >= 0;
      if (!forward) {
        throw new Violation(`${name} went back with ${entity} from ${describe(old)} to ${describe(version)}`);
      }
    }
  }

  #checkWritten(place: string, before: Contents, now: Contents): void {
    for (const [key, version] of now) {
      if (before.get(key) === version || this.#written.has(nameOf(version))) continue;
      throw new Violation(
        `${place} has ${JSON.stringify(key)} at ${describe(version)}, which nobody ever wrote`,
      );
    }
  }

  /** Somebody wrote these, or tried to. */
  wrote(versions: Iterable<Version>): void {
    for (const version of versions) this.#written.add(nameOf(version));
  }

  /** An operator put an older database in place: what is there now is what counts. */
  forget(replica: Replica): void {
    this.#seen.delete(replica.name);
    replica.touched = true;
  }

  /** An entity went back at a replica by what its store does on its own: only that, and only now, is not ours to hold. */
  wentBack(place: string, key: string, nowMs: number): void {
    const seen = new Map(this.#seen.get(place));
    seen.delete(key);
    this.#seen.set(place, seen);
    this.#wentBackMs.set(`${place} ${key}`, nowMs);
  }

  /** A tree that is said to be of the index as it is must be. */
  checkFresh(replica: Replica, stale: boolean, tree: Contents): void {
    if (stale || sameContents(tree, replica.store.contents())) return;
    throw new Violation(`${replica.name} says its tree is of its index as it is, and it is not`);
  }

  /** A write that was acknowledged is there: `written` itself, or a greater version. */
  checkAcknowledged(replica: Replica, key: string, written: Version): void {
    const now = replica.store.contents().get(key);
    if (now !== undefined && orderOf(now, written) >= 0) return;
    const found = now === undefined ? 'nothing' : describe(now);
    throw new Violation(
      `${replica.name} acknowledged ${JSON.stringify(key)} at ${describe(written)} and has ${found}`,
    );
  }

  /** Holds a run to what it says of itself. */
  checkReport(run: Run, report: RoundReport, replicas: readonly Replica[]): void {
    const [shard] = report.repair.shards;
    const places = shard?.copies.map(({ place }) => place) ?? [];
    if (shard?.outcome === 'matched') checkMatched(run, places, replicas);
    if (report.outcome !== 'converged') {
      if (!report.reason) throw new Violation(`${run.id} ended ${report.outcome} and does not say why`);
      return;
    }
    if (places.length < replicas.length) {
      throw new Violation(`${run.id} says converged over ${places.length} of ${replicas.length} copies`);
    }
    const wanted = joined(comparedBy(run, places, replicas).map(({ contents }) => contents));
    for (const replica of replicas) this.#checkHas(replica, wanted, run);
  }

  #checkHas({ name, kind, store }: Replica, wanted: Contents, run: Run): void {
    const held = store.contents();
    for (const [key, version] of wanted) {
      const has = held.get(key);
      if (has !== undefined && (kind === 'banyandb' ? isAtNode(has, version) : orderOf(has, version) >= 0))
        continue;
      if ((this.#wentBackMs.get(`${name} ${key}`) ?? -1) >= run.startedMs) continue;
      const found = has === undefined ? 'nothing' : describe(has);
      throw new Violation(
        `${run.id} says converged; ${name} has ${found} of ${JSON.stringify(key)}, not ${describe(version)}`,
      );
    }
  }
}

function nameOf({ revision, deleteTime, digest }: Version): string {
  return `${revision} ${deleteTime} ${digest.toString('latin1')}`;
}

/** What a run compared: trees, but for what nodes answered instead, whose leaves do not tell their versions. */
function comparedBy(
  run: Run,
  places: readonly string[],
  replicas: readonly Replica[],
): { place: string; contents: Contents }[] {
  return places.map((place) => {
    const foreign = replicas.find(({ name }) => name === place)?.kind === 'banyandb';
    return { place, contents: foreign ? run.comparedLive(place) : (run.compared.get(place) ?? new Map()) };
  });
}

function checkMatched(run: Run, places: readonly string[], replicas: readonly Replica[]): void {
  const compared = comparedBy(run, places, replicas);
  const [first] = compared;
  const unlike = compared.find(({ contents }) => first && !sameContents(first.contents, contents));
  if (unlike) throw new Violation(`${run.id} says matched; ${first?.place} and ${unlike.place} differ`);
}

export function describe({ revision, deleteTime, digest }: Version): string {
  const state = deleteTime === 0n ? 'live' : `deleted ${deleteTime}`;
  return `(${revision}, ${state}, ${digest.toString('hex', 0, 4)})`;
}
