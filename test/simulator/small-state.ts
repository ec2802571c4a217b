/**
 * States of three replicas with an entity or two, small enough that all of them can be visited. Only the order of
 * revisions, of delete times and of digests means anything, so states are kept with each numbered anew: what differs
 * only in the distance between them is one state. So is what differs only in where the replicas stand: a repair sees
 * them in a circle that begins with its coordinator, so a turned state does the same in the same order; and in which
 * entity is which: the versions of both travel together.
 */
import type { StoredVersion } from '../../src/property/version.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { makeVersion } from '../support/versions.ts';

const replicaCount = 3;

/** One version; null where the entity is absent. */
export interface Cell {
  readonly revision: number;
  /** 0 for live. */
  readonly deleteTime: number;
  /** Which of the contents of this entity at this revision, in the order of their digests. */
  readonly value: number;
}

export type Row = readonly (Cell | null)[];

export interface SmallReplica {
  readonly index: Row;
  readonly tree: Row;
}

export type SmallState = readonly SmallReplica[];

export function emptyState(entities: number): SmallState {
  const row = Array.from({ length: entities }, () => null);
  return Array.from({ length: replicaCount }, () => ({ index: row, tree: row }));
}

/** Versions of one entity, revision and delete time, in the order of their digests. */
const made = new Map<string, readonly StoredVersion[]>();

/** By digest, the value of every version that was made. */
const valueByDigest = new Map<string, number>();

/** Values from -1, for contents whose digest is smaller than all there are, to one more than six indexes and trees have. */
const valuesMax = 8;

/** The version a cell stands for. */
export function versionOf({ revision, deleteTime, value }: Cell, entity: number): StoredVersion {
  const name = `${revision} ${deleteTime} ${entity}`;
  let versions = made.get(name);
  if (versions === undefined) {
    const unsorted = Array.from({ length: valuesMax }, (_, content) =>
      makeVersion({
        id: `e${entity}`,
        revision: BigInt(revision),
        deleteTime: BigInt(deleteTime),
        value: `v${content}`,
      }),
    );
    versions = unsorted.sort((a, b) => Buffer.compare(a.digest, b.digest));
    for (const [at, { digest }] of versions.entries()) valueByDigest.set(digest.toString('latin1'), at - 1);
    made.set(name, versions);
  }
  return versions[value + 1] as StoredVersion;
}

function versionsOf(row: Row): StoredVersion[] {
  return row.flatMap((cell, entity) => (cell === null ? [] : [versionOf(cell, entity)]));
}

/** Copies that are in this state. */
export function copiesOf(state: SmallState): MemoryShardCopy[] {
  return state.map(({ index, tree }, replica) => {
    const copy = new MemoryShardCopy({ place: `r${replica}`, settings: { slots: 4 } });
    copy.load(versionsOf(tree));
    copy.build();
    copy.load(versionsOf(index));
    return copy;
  });
}

/** What a copy holds now. */
export function rowOf(copy: MemoryShardCopy, entities: number): Row {
  const row: (Cell | null)[] = Array.from({ length: entities }, () => null);
  for (const { key, revision, deleteTime, digest } of copy.versions) {
    const entity = Number(key.toString('latin1').slice(key.indexOf(0) + 2));
    const value = valueByDigest.get(digest.toString('latin1')) as number;
    row[entity] = { revision: Number(revision), deleteTime: Number(deleteTime), value };
  }
  return row;
}

/** The state with revisions, delete times and values numbered in their order. */
export function normalise(state: SmallState): SmallState {
  const rows = state.flatMap(({ index, tree }) => [index, tree]);
  const cells = rows.flat().filter((cell) => cell !== null);
  const revisions = ranks(cells.map(({ revision }) => revision));
  const deleteTimes = ranks(cells.map(({ deleteTime }) => deleteTime).filter((time) => time > 0));
  const values = new Map<string, Set<number>>();
  for (const row of rows) {
    for (const [entity, cell] of row.entries()) {
      if (cell === null) continue;
      const name = `${entity} ${cell.revision}`;
      values.set(name, (values.get(name) ?? new Set()).add(cell.value));
    }
  }
  const valueRanks = new Map([...values].map(([name, found]) => [name, ranks([...found])]));
  const renumber = (row: Row): Row =>
    row.map(
      (cell, entity) =>
        cell && {
          revision: revisions.get(cell.revision) as number,
          deleteTime: deleteTimes.get(cell.deleteTime) ?? 0,
          value: (valueRanks.get(`${entity} ${cell.revision}`)?.get(cell.value) as number) - 1,
        },
    );
  return state.map(({ index, tree }) => ({ index: renumber(index), tree: renumber(tree) }));
}

/** One name for all normalised states that differ only in where the replicas stand and in which entity is which. */
export function nameOf(state: SmallState): string {
  const names: string[] = [];
  const entities = state[0]?.index.length ?? 0;
  for (let turn = 0; turn < state.length; turn += 1) {
    const turned = [...state.slice(turn), ...state.slice(0, turn)];
    names.push(textOf(turned, false));
    if (entities > 1) names.push(textOf(turned, true));
  }
  return names.reduce((least, name) => (name < least ? name : least));
}

function textOf(state: SmallState, reversed: boolean): string {
  const text = (row: Row): string => {
    const cells = row.map((cell) => (cell ? `${cell.revision}.${cell.deleteTime}.${cell.value}` : '-'));
    return (reversed ? cells.reverse() : cells).join(' ');
  };
  return state.map(({ index, tree }) => `${text(index)}|${text(tree)}`).join('/');
}

function ranks(numbers: readonly number[]): Map<number, number> {
  return new Map([...new Set(numbers)].sort((a, b) => a - b).map((number, rank) => [number, rank + 1]));
}
