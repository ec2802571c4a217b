/**
 * States of three replicas with an entity or two, small enough that all of them can be visited. Only the order of
 * revisions and delete times means anything, so states are kept with both numbered anew from 1: what differs only
 * in the distance between them is one state.
 */
import type { StoredVersion } from '../../src/property/version.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { makeVersion } from '../support/versions.ts';

export const replicaCount = 3;

/** One version; null where the entity is absent. */
export interface Cell {
  readonly revision: number;
  /** 0 for live. */
  readonly deleteTime: number;
  /** Which replica it was written at. */
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

const made = new Map<string, StoredVersion>();

/** The version a cell stands for. */
export function versionOf(cell: Cell, entity: number): StoredVersion {
  const name = `${cell.revision} ${cell.deleteTime} ${cell.value} ${entity}`;
  let version = made.get(name);
  if (version === undefined) {
    const { revision, deleteTime, value } = cell;
    version = makeVersion({
      id: `e${entity}`,
      revision: BigInt(revision),
      deleteTime: BigInt(deleteTime),
      value: `v${value}`,
    });
    made.set(name, version);
  }
  return version;
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
  for (const { key, revision, deleteTime, source } of copy.versions) {
    const entity = Number(key.toString('latin1').slice(key.indexOf(0) + 2));
    const value = Number(/"v(\d)"/.exec(source)?.[1]);
    row[entity] = { revision: Number(revision), deleteTime: Number(deleteTime), value };
  }
  return row;
}

/** The state with revisions and delete times numbered from 1 in their order, and its name. */
export function normalise(state: SmallState): { readonly state: SmallState; readonly name: string } {
  const cells = state.flatMap(({ index, tree }) => [...index, ...tree]).filter((cell) => cell !== null);
  const revisions = ranks(cells.map(({ revision }) => revision));
  const deleteTimes = ranks(cells.map(({ deleteTime }) => deleteTime).filter((time) => time > 0));
  const renumber = (row: Row): Row =>
    row.map(
      (cell) =>
        cell && {
          revision: revisions.get(cell.revision) as number,
          deleteTime: deleteTimes.get(cell.deleteTime) ?? 0,
          value: cell.value,
        },
    );
  const renumbered = state.map(({ index, tree }) => ({ index: renumber(index), tree: renumber(tree) }));
  const text = (row: Row): string =>
    row.map((cell) => (cell ? `${cell.revision}.${cell.deleteTime}.${cell.value}` : '-')).join(' ');
  return {
    state: renumbered,
    name: renumbered.map(({ index, tree }) => `${text(index)}|${text(tree)}`).join('/'),
  };
}

function ranks(numbers: readonly number[]): Map<number, number> {
  return new Map([...new Set(numbers)].sort((a, b) => a - b).map((number, rank) => [number, rank + 1]));
}
