/** Options for places that are BanyanDB nodes, and opening what is named by HOST:PORT. */
import { BanyandbNode } from '../banyandb/banyandb-node.ts';
import { type ClusterGroup, readClusterGroups } from '../banyandb/cluster-registry.ts';
import { defaultNodeLimits, defaultPushesPerSecond } from '../banyandb/node-limits.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { dayMs, mebibyte } from '../lib/units.ts';
import { PeerClient } from '../peer/peer-client.ts';
import { TlsFiles } from '../peer/tls.ts';
import { checkGroupName, shardsMax } from '../property/group-settings.ts';
import { AddressMember } from '../round/address-member.ts';
import { BanyandbMember } from '../round/banyandb-member.ts';
import type { Member } from '../round/member.ts';
import { PeerMember } from '../round/peer-member.ts';
import { type Command, wholeNumber } from './command.ts';
import { type WireOptions, wireOf } from './wire-options.ts';

export interface NodeOptions {
  readonly group?: string;
  readonly shard?: number;
  readonly shards?: number;
  readonly liaison?: string;
  readonly pushRate?: number;
  readonly deleteExpiry?: number;
  readonly bringOld?: boolean;
  readonly repairTlsCa?: string;
  readonly repairPlain?: boolean;
  readonly pageMax?: number;
}

/** Adds what BanyanDB nodes need; peers and directories do not. */
export function addNodeOptions(command: Command): Command {
  return command
    .option('--shards <count>', 'shards of --group, for BanyanDB nodes', wholeNumber(1, shardsMax))
    .option('--liaison <host:port>', 'liaison that tells groups and shards, for BanyanDB nodes')
    .option(
      '--push-rate <count>',
      `most versions a second pushed to one BanyanDB node, fewer while it is busy; 0 for as fast as it takes them (default ${defaultPushesPerSecond})`,
      wholeNumber(0, 1_000_000),
    )
    .option(
      '--delete-expiry <days>',
      'how long the BanyanDB cluster keeps deletes (default 7)',
      wholeNumber(1, 36_500),
    )
    .option('--bring-old', 'bring live versions older than that to BanyanDB nodes that lack them')
    .option(
      '--repair-tls-ca <file>',
      'reach where BanyanDB nodes repair by TLS, whatever their gRPC; this signs it',
    )
    .option(
      '--page-max <MiB>',
      `largest page of leaves accepted of a BanyanDB node (default ${defaultNodeLimits.acceptBytesMax / mebibyte})`,
      wholeNumber(1, 1_024),
    )
    .option('--repair-plain', 'reach where BanyanDB nodes repair without TLS, whatever their gRPC');
}

/** The limit of pushes that a report tells; null where no member is a BanyanDB node. */
export function pushRateOf(members: readonly Member[], { pushRate }: NodeOptions): number | null {
  const toNodes = members.some(({ kind }) => kind === 'banyandb');
  return toNodes ? (pushRate ?? defaultPushesPerSecond) : null;
}

/** Says so. */
export function readableRate(pushRate: number): string {
  const rate =
    pushRate === 0
      ? 'as fast as they take them'
      : `at most ${pushRate} a second to each, fewer while it is busy`;
  return `BanyanDB nodes: versions pushed ${rate} (--push-rate)`;
}

export interface AddressOptions {
  readonly clock: Clock;
  readonly tls?: TlsFiles | undefined;
  /** Under which peers log and trace the calls of this run. */
  readonly runId: string;
  /** Told what is asked of BanyanDB nodes that only the user placed. */
  readonly onRemark: (text: string) => void;
}

/** Opens HOST:PORT places of one run; its liaison is asked once. */
export class AddressOpener {
  readonly #options: NodeOptions & WireOptions;
  readonly #clock: Clock;
  readonly #runId: string;
  readonly #liaisonTls: TlsFiles | undefined;
  readonly #onRemark: (text: string) => void;
  #told: Promise<readonly ClusterGroup[]> | null = null;
  #remarked = false;

  /** `tls` is towards the liaison. */
  constructor(options: NodeOptions & WireOptions, { clock, tls, runId, onRemark }: AddressOptions) {
    this.#runId = runId;
    this.#options = options;
    this.#onRemark = onRemark;
    this.#clock = clock;
    this.#liaisonTls = tls;
  }

  open(place: string, tls: TlsFiles | undefined): AddressMember {
    const clock = this.#clock;
    const { pushRate, deleteExpiry, bringOld, pageMax } = this.#options;
    const limits = pageMax === undefined ? {} : { acceptBytesMax: pageMax * mebibyte };
    const peer = new PeerMember(
      new PeerClient({ place, clock, runId: this.#runId, ...(tls && { tls }), ...wireOf(this.#options) }),
    );
    const node = new BanyandbMember(
      new BanyandbNode({ place, clock, tls, repairTls: this.#repairTls(), limits }),
      {
        groups: (signal) => this.#groups(signal),
        pushesPerSecond: pushRate,
        deleteExpiryMs: bringOld ? null : deleteExpiry === undefined ? undefined : deleteExpiry * dayMs,
      },
    );
    return new AddressMember(peer, node);
  }

  /** Nodes encrypt where they repair by a switch of its own, so it may differ; undefined where nothing says so. */
  #repairTls(): TlsFiles | null | undefined {
    const { repairTlsCa, repairPlain } = this.#options;
    if (repairTlsCa !== undefined && repairPlain === true) {
      throw new CodedError('bad-argument', '--repair-tls-ca and --repair-plain exclude each other', {
        field: 'repair-plain',
      });
    }
    if (repairPlain === true) return null;
    return repairTlsCa === undefined ? undefined : new TlsFiles({ caPath: repairTlsCa });
  }

  #groups(signal: AbortSignal | undefined): Promise<readonly ClusterGroup[]> {
    const { group, shards, liaison } = this.#options;
    if (liaison !== undefined) {
      const asking =
        this.#told ??
        readClusterGroups({ place: liaison, clock: this.#clock, tls: this.#liaisonTls }, signal);
      this.#told = asking;
      // Asked again where it did not answer.
      asking.catch(() => {
        this.#told = null;
      });
      return asking;
    }
    if (group === undefined || shards === undefined) {
      const message =
        'a BanyanDB node does not list what it has: name it with --group and --shards, or give --liaison';
      throw new CodedError('bad-argument', message, { field: 'group', value: group ?? null });
    }
    checkGroupName(group);
    if (!this.#remarked) this.#onRemark(this.#askedUnplaced(group, shards));
    this.#remarked = true;
    return Promise.resolve([{ group, shards, holders: null }]);
  }

  // Which nodes have a shard hangs on all groups of the cluster, so without its registry nobody can tell.
  #askedUnplaced(group: string, shards: number): string {
    const { shard = null } = this.#options;
    const which = shard ?? (shards === 1 ? 0 : null);
    const asked = which === null ? `shards 0 to ${shards - 1}` : `shard ${which}`;
    return (
      `no --liaison tells which node has which shard: every BanyanDB node named here is asked for ${asked} of group ` +
      `${group}, and one that the cluster gives none of them makes an empty one`
    );
  }
}
