/** The drifted ring of three, as model nodes. */
import { readGoldenDocuments } from './golden.ts';
import { ModelNode } from './model-node.ts';

export const ringNames = ['node-1', 'node-2', 'node-3'] as const;
export const ringShards = [0, 1] as const;
export const ringGroup = 'seal3';

/** One of the three as it was `before` or `after` BanyanDB's own repair. */
export function recordedNode(name: string, when: 'before' | 'after' = 'before'): ModelNode {
  const node = new ModelNode({ name });
  for (const shard of ringShards) {
    const file = `ring-of-three/${when}/${name}/shard-${shard}/documents.ndjson`;
    node.shard(ringGroup, shard).loadRecorded(readGoldenDocuments(file));
  }
  node.build();
  return node;
}

/** Live again on all three after BanyanDB's repair, though two of three had the tombstone. */
export const undeletedByBanyandb: readonly string[] = [
  'seal3/p/<&>58',
  'seal3/q/日本-54',
  'seal3/q/日本-55',
  'seal3/ui-template/emoji😀59',
  'seal3/ui-template/id-56',
];

/** The entities whose newest version is live at the node. */
export function liveEntities(node: ModelNode): string[] {
  return ringShards.flatMap((number) => {
    const shard = node.shard(ringGroup, number);
    const leaves = (shard.tree?.slots ?? []).flatMap((slot) => slot.leaves);
    return leaves.map(({ entity }) => entity).filter((entity) => shard.newest(entity)?.deleteTime === 0n);
  });
}
