/** What an operator should look at, in sentences, from what is shown of shards and peers. */
import type { PeerResource, ShardResource } from '../admin/resources.ts';
import type { CodedError } from '../lib/coded-error.ts';
import { isCluster } from './clusters.ts';
import { noPeer } from './members.ts';

export function warningsOf(
  shards: readonly ShardResource[],
  peers: readonly PeerResource[],
  { late, listError }: { readonly late: number; readonly listError: CodedError | null },
): string[] {
  const warnings: string[] = [];
  if (listError !== null)
    warnings.push(`peers could not be looked up, those known stay: ${listError.message}`);
  for (const { group, shard, error } of shards)
    if (error !== null) warnings.push(`${group}/${shard}: ${error.message}`);
  for (const { place, reachable, error } of peers) {
    if (reachable === false) warnings.push(`${place} cannot be reached: ${error?.message ?? ''}`);
  }
  const differing = shards.filter(({ agreement }) => agreement.state === 'differs').length;
  if (differing > 0)
    warnings.push(`the trees of the replicas differ in ${differing} ${differing === 1 ? 'shard' : 'shards'}`);
  if (late > 0) warnings.push(`${late} ${late === 1 ? 'shard' : 'shards'} will be visited too late`);
  const own = shards.some(({ group }) => !isCluster(group));
  if (own && peers.length === 0) warnings.push(noPeer);
  return warnings;
}
