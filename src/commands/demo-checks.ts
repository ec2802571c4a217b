/** What the tours check and how they show roots. */
import { CodedError } from '../lib/coded-error.ts';
import { type DemoEntity, replicaNames } from './demo-data.ts';
import type { DemoReplicas, ShardRoots } from './demo-replicas.ts';
import { table } from './output.ts';

/** Every entity is the same version everywhere, deleted where it must be. Returns how many are deleted. */
export function checkEntities(replicas: DemoReplicas, entities: readonly DemoEntity[]): number {
  const names = entities.map(({ entity }) => entity);
  const [first = [], ...others] = replicas.roots.map((_, replica) => [...replicas.versions(replica, names)]);
  let deletes = 0;
  for (const [position, { entity, deleted }] of entities.entries()) {
    const version = first[position] ?? null;
    ensure(version !== null, `${entity} is at ${replicaNames[0]}`);
    ensure(
      (version?.deleteTime !== 0n) === deleted,
      `${entity} is ${deleted ? 'deleted' : 'live'} at ${replicaNames[0]}`,
    );
    for (const versions of others) {
      ensure(versions[position]?.source === version?.source, `${entity} has the same content everywhere`);
      ensure(versions[position]?.deleteTime === version?.deleteTime, `${entity} is deleted alike everywhere`);
    }
    if (deleted) deletes += 1;
  }
  return deletes;
}

/** Ends the tour where something does not hold. */
export function ensure(holds: boolean, what: string): void {
  if (!holds) throw new CodedError('internal', `the tour found a fault; this does not hold: ${what}`);
}

export function sameRoots({ roots }: ShardRoots): boolean {
  return roots.every((root) => root === roots[0]);
}

/** A table of all shards' roots. */
export function rootsTable(shards: readonly ShardRoots[]): string {
  const rows = shards.map((shard) => [
    `shard ${shard.shard}`,
    ...shard.roots.map((root, replica) => `${root.slice(0, 12) || 'empty'} (${shard.leaves[replica]})`),
    sameRoots(shard) ? 'equal' : 'differ',
  ]);
  return indent(table(['root (leaves)', ...replicaNames, ''], rows));
}

export function indent(text: string): string {
  return text.replaceAll(/^/gm, '   ');
}
