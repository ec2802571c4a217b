/**
 * What a liaison knows of its cluster: groups of properties, their shards, and which node has a copy of which. Placement
 * is computed as the liaison itself does: all shards of all groups in order of group name, dealt to the nodes in order of
 * theirs.
 */
import type { Clock } from '../lib/clock.ts';
import { compareBytes } from '../lib/bytes.ts';
import { checkGroupName, shardsMax } from '../property/group-settings.ts';
import { PeerConnection } from '../peer/peer-connection.ts';
import type { TlsFiles } from '../peer/tls.ts';
import { Catalog, type Group } from './generated/banyandb/common/v1/common_pb.ts';
import {
  ClusterStateService,
  GroupRegistryService,
  type Node,
  Role,
} from './generated/banyandb/database/v1/database_pb.ts';
import { clusterNodesMax, defaultNodeDeadlines, groupsMax } from './node-limits.ts';

/** A group of properties. */
export interface ClusterGroup {
  readonly group: string;
  readonly shards: number;
  /** Names of the nodes that have each shard; all of them where null. */
  readonly holders: readonly ReadonlySet<string>[] | null;
}

export interface LiaisonOptions {
  /** HOST:PORT of its gRPC. */
  readonly place: string;
  readonly clock: Clock;
  readonly tls?: TlsFiles | undefined;
}

/** Asks the liaison. Throws `unreachable`, `timeout`, `bad-message`. */
export async function readClusterGroups(
  options: LiaisonOptions,
  signal?: AbortSignal,
): Promise<ClusterGroup[]> {
  const { place, clock, tls } = options;
  using connection = new PeerConnection({ place, clock, ...(tls && { tls }) });
  const limit = { timeoutMs: defaultNodeDeadlines.askMs, signal };
  const groups = connection.client(GroupRegistryService);
  const state = connection.client(ClusterStateService);
  const listed = await connection.ask((call) => groups.list({}, call), { ...limit, step: 'listing groups' });
  const told = await connection.ask((call) => state.getClusterState({}, call), {
    ...limit,
    step: 'listing nodes',
  });
  const nodes = new Set(
    Object.values(told.routeTables).flatMap(({ registered }) => registered.flatMap(dataNodeName)),
  );
  if (listed.group.length > groupsMax) throw connection.wrong(`${listed.group.length} groups`);
  if (nodes.size > clusterNodesMax) throw connection.wrong(`${nodes.size} nodes`);
  return placeGroups(connection, listed.group, [...nodes].sort(byBytes));
}

function dataNodeName({ metadata, roles }: Node): string[] {
  const name = metadata?.name ?? '';
  return roles.includes(Role.DATA) && name !== '' ? [name] : [];
}

function placeGroups(
  connection: PeerConnection,
  listed: readonly Group[],
  nodes: readonly string[],
): ClusterGroup[] {
  const placed = listed
    .filter(({ catalog, resourceOpts }) => catalog !== Catalog.UNSPECIFIED && resourceOpts !== undefined)
    .sort((a, b) => byBytes(a.metadata?.name ?? '', b.metadata?.name ?? ''));
  const groups: ClusterGroup[] = [];
  let pairs = 0;
  for (const { metadata, catalog, resourceOpts } of placed) {
    const group = metadata?.name ?? '';
    const shards = resourceOpts?.shardNum ?? 0;
    if (shards > shardsMax)
      throw connection.wrong(`${shards} shards of group ${JSON.stringify(group.slice(0, 200))}`);
    const copies = Math.min((resourceOpts?.replicas ?? 0) + 1, nodes.length);
    const first = pairs;
    pairs += shards;
    // The cluster's own bookkeeping is no property of anybody.
    if (catalog !== Catalog.PROPERTY || shards === 0 || group.startsWith('_')) continue;
    checkGroupName(group);
    const holders = Array.from({ length: shards }, (_, shard) =>
      Array.from({ length: copies }, (_, copy) => nodes[(first + shard + copy) % nodes.length] ?? ''),
    );
    groups.push({
      group,
      shards,
      holders: nodes.length === 0 ? null : holders.map((names) => new Set(names)),
    });
  }
  return groups;
}

function byBytes(a: string, b: string): number {
  return compareBytes(Buffer.from(a), Buffer.from(b));
}
