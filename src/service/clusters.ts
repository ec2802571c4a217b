/**
 * BanyanDB clusters that the settings name: audited, and mended where that is allowed, from outside and on the same
 * schedule as our own shards. To schedule, history, metrics and orders a cluster is one shard 0 of a group that is
 * called `banyandb/NAME`; the slash keeps it apart from groups of properties.
 */
import { BanyandbNode } from '../banyandb/banyandb-node.ts';
import { type ClusterGroup, readClusterGroups } from '../banyandb/cluster-registry.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { NodesFile } from '../peer/nodes-file.ts';
import { TlsFiles } from '../peer/tls.ts';
import { BanyandbMember } from '../round/banyandb-member.ts';
import type { Settings } from '../settings/settings.ts';
import type { OpenedMembers } from './members.ts';

const prefix = 'banyandb/';

/** Whether a group stands for a cluster. */
export function isCluster(group: string | null): group is string {
  return group?.startsWith(prefix) === true;
}

type ClusterSettings = Settings['banyandb'][number];

export class Clusters {
  readonly #settings: readonly ClusterSettings[];
  readonly #clock: Clock;

  constructor(settings: Settings, clock: Clock) {
    this.#settings = settings.banyandb;
    this.#clock = clock;
  }

  /** Every cluster as a shard. */
  get shards(): { readonly group: string; readonly shard: number }[] {
    return this.#settings.map(({ name }) => ({ group: prefix + name, shard: 0 }));
  }

  /** Whether a cluster may be changed; a round of one that may not is an audit. */
  mayRepair(group: string): boolean {
    return this.#find(group).mode === 'repair';
  }

  /** The cluster's nodes as its nodes file lists them now. Throws `not-found`, `bad-settings`. */
  open(group: string): OpenedMembers {
    const { nodes, liaison, groups } = this.#find(group);
    const clock = this.#clock;
    const opened = new DisposableStack();
    const known = groups.map((one): ClusterGroup => ({ ...one, holders: null }));
    const listed = new NodesFile(nodes).read();
    const askLiaison = (signal?: AbortSignal): Promise<ClusterGroup[]> =>
      liaison === null ? Promise.resolve(known) : readClusterGroups({ place: liaison, clock }, signal);
    // All nodes ask for the same: the registry is asked once.
    let asked: Promise<ClusterGroup[]> | null = null;
    const members = listed.map(({ grpcAddress, tlsEnabled, caCertPath }) => {
      const tls = tlsEnabled ? new TlsFiles(caCertPath === null ? {} : { caPath: caCertPath }) : undefined;
      const node = new BanyandbNode({ place: grpcAddress, clock, tls });
      return opened.use(new BanyandbMember(node, { groups: (signal) => (asked ??= askLiaison(signal)) }));
    });
    return { members, [Symbol.dispose]: () => opened.dispose() };
  }

  #find(group: string): ClusterSettings {
    const found = this.#settings.find(({ name }) => prefix + name === group);
    if (found !== undefined) return found;
    throw new CodedError('not-found', `the settings name no cluster ${group}`, {
      field: 'group',
      value: group,
    });
  }
}
