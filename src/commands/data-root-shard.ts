/** What the verbs over single properties have in common: a data root, and the shard of it that an entity is in. */
import { stat } from 'node:fs/promises';
import { CodedError } from '../lib/coded-error.ts';
import type { Entity } from '../property/entity.ts';
import { entityHash, shardOf } from '../property/placement.ts';
import type { StoredVersion } from '../property/version.ts';
import { isDataRoot, readGroupSettings } from '../property-index/data-root.ts';
import type { ShardIdentity } from '../property-index/schema.ts';

/** Throws `not-found` or `bad-argument` unless `root` is a data root. */
export async function checkDataRoot(root: string): Promise<void> {
  const found = await stat(root).catch((error: unknown) => {
    throw new CodedError(
      'not-found',
      `there is no data root ${root}`,
      { field: 'root', value: root },
      { cause: error },
    );
  });
  if (found.isDirectory() && (await isDataRoot(root))) return;
  throw new CodedError('bad-argument', `${root} is no data root`, { field: 'root', value: root });
}

/** The shard an entity belongs to; null where the group is absent. */
export async function shardOfEntity(root: string, entity: Entity): Promise<ShardIdentity | null> {
  const settings = await readGroupSettings(root, entity.group);
  if (settings === null) return null;
  return { root, group: entity.group, shard: shardOf(entityHash(entity), settings.shards) };
}

/** A version as verbs print it. */
export function versionJson({
  source,
  revision,
  deleteTime,
  digest,
}: StoredVersion): Record<string, unknown> {
  return { property: JSON.parse(source), revision, deleteTime, digest };
}
