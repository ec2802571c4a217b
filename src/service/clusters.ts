/**
 * BanyanDB clusters that the settings name: audited, and mended where that is allowed, from outside and on the same
 * schedule as our own shards. To schedule, history, metrics and orders a cluster is one shard 0 of a group that is
 * called `banyandb/NAME`; the slash keeps it apart from groups of properties.
 */
import { BanyandbNode } from '../banyandb/banyandb-node.ts';
import { type ClusterGroup, readClusterGroups } from '../banyandb/cluster-registry.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { NodesFile, type PeerNode } from '../peer/nodes-file.ts';
import { TlsFiles, type TlsPaths } from '../peer/tls.ts';
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
    const cluster = this.#find(group);
    const { pushRate, deleteExpiry } = cluster;
    const opened = new DisposableStack();
    // All nodes ask for the same: the registry is asked once.
    let asked: Promise<readonly ClusterGroup[]> | null = null;
    const members = new NodesFile(cluster.nodes).read().map((listed) =>
      opened.use(
        new BanyandbMember(this.#node(listed, cluster), {
          groups: (signal) => (asked ??= this.#groups(cluster, signal)),
          pushesPerSecond: pushRate ?? undefined,
          deleteExpiryMs: deleteExpiry ?? undefined,
        }),
      ),
    );
    return { members, [Symbol.dispose]: () => opened.dispose() };
  }

  #node({ grpcAddress, tlsEnabled, caCertPath }: PeerNode, cluster: ClusterSettings): BanyandbNode {
    const { pageMax, repairPlain, repairTlsCa } = cluster;
    const authority = caCertPath === null ? {} : { caPath: caCertPath };
    const ofItsOwn = repairTlsCa === null ? undefined : new TlsFiles({ caPath: repairTlsCa });
    return new BanyandbNode({
      place: grpcAddress,
      clock: this.#clock,
      tls: tlsEnabled ? new TlsFiles({ ...shownCertificate(cluster), ...authority }) : undefined,
      repairTls: repairPlain ? null : ofItsOwn,
      limits: pageMax === null ? {} : { acceptBytesMax: pageMax },
    });
  }

  async #groups(cluster: ClusterSettings, signal?: AbortSignal): Promise<readonly ClusterGroup[]> {
    const { liaison: place, groups, tlsCa, tlsCert } = cluster;
    if (place === null) return groups.map((one) => ({ ...one, holders: null }));
    const encrypted = tlsCa !== null || tlsCert !== null;
    const authority = tlsCa === null ? {} : { caPath: tlsCa };
    const tls = encrypted ? new TlsFiles({ ...shownCertificate(cluster), ...authority }) : undefined;
    return await readClusterGroups({ place, clock: this.#clock, tls }, signal);
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

/** What is shown to a liaison or a node that speaks TLS. */
function shownCertificate({ tlsCert, tlsKey }: ClusterSettings): TlsPaths {
  return tlsCert === null || tlsKey === null ? {} : { certPath: tlsCert, keyPath: tlsKey };
}
