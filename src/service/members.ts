/** Who takes part in a run: this replica, and the peers of the nodes file and of DNS except itself. */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { DnsNodes } from '../peer/dns-nodes.ts';
import { NodesFile, type PeerNode } from '../peer/nodes-file.ts';
import { PeerClient } from '../peer/peer-client.ts';
import { TlsFiles } from '../peer/tls.ts';
import type { StartCall } from '../peer/traced-calls.ts';
import type { Member } from '../round/member.ts';
import { PeerMember } from '../round/peer-member.ts';
import type { Settings } from '../settings/settings.ts';

export interface PeersOptions {
  readonly clock: Clock;
  /** Which run of the program this is, as it tells its peers. */
  readonly instance: bigint;
  /** Told what is wrong with the nodes file. */
  readonly onProblem: (problem: CodedError) => void;
  /** Told how each lookup in DNS ended, and the one before it; null where it went well. */
  readonly onLookup: (error: CodedError | null, before: CodedError | null) => void;
}

/** Members that were opened for one run; dispose them after it. */
export interface OpenedMembers extends Disposable {
  readonly members: readonly Member[];
}

/** What members are opened for. */
export interface MembersOf {
  /** A group that stands for a cluster means its nodes. */
  readonly group: string | null;
  /** Names or places; null for all. */
  readonly peers: readonly string[] | null;
  /** Null where no run is made. */
  readonly runId: string | null;
  /** Null where calls are not traced. */
  readonly startCall: StartCall | null;
}

export type OpenMembers = (of: MembersOf) => OpenedMembers;

/** What is said where this replica is the only member. */
export const noPeer = 'there is no peer to compare with; a nodes file or DNS lists them';

export class Peers {
  readonly #options: PeersOptions;
  #settings: Settings;
  #file: NodesFile | null;
  #dns: DnsNodes | null;
  /** Where this replica listens, so that it is not taken for a peer. */
  ownPlace: string | null = null;
  /** Further addresses of this replica and of peers, as was found out by asking there. */
  #aliases: ReadonlySet<string> = new Set();

  constructor(settings: Settings, options: PeersOptions) {
    this.#options = options;
    this.#settings = settings;
    this.#file = this.#nodesFile(settings);
    this.#dns = this.#dnsNodes(settings);
  }

  reconfigure(settings: Settings): void {
    const before = this.#settings;
    if (settings.nodes !== before.nodes) this.#file = this.#nodesFile(settings);
    if (settings.dns !== before.dns) this.#dns = this.#dnsNodes(settings);
    this.#settings = settings;
  }

  #nodesFile({ nodes }: Settings): NodesFile | null {
    return nodes === null ? null : new NodesFile(nodes, { onProblem: this.#options.onProblem });
  }

  // DNS does not say who speaks TLS: where this replica does, its peers do.
  #dnsNodes({ dns, tls }: Settings): DnsNodes | null {
    const { clock } = this.#options;
    return dns === null
      ? null
      : new DnsNodes(dns, { clock, tls: { tlsEnabled: tls !== null, caCertPath: null } });
  }

  get instance(): bigint {
    return this.#options.instance;
  }

  /** Why the nodes file could not be read or DNS be asked the last time; null where all went well, or neither is there. */
  get listError(): CodedError | null {
    return this.#file?.error ?? this.#dns?.error ?? null;
  }

  /** Looks the peers up in DNS, where they are to be found there. Throws only the signal's reason. */
  async lookUp(signal: AbortSignal): Promise<void> {
    const dns = this.#dns;
    if (dns === null) return;
    const before = dns.error;
    await dns.lookUp(signal);
    this.#options.onLookup(dns.error, before);
  }

  /** Peers of the nodes file as it is now and of the last lookup; a file that cannot be read is told and gives none. */
  nodes(): readonly PeerNode[] {
    return this.listed().filter(({ grpcAddress }) => !this.#aliases.has(grpcAddress));
  }

  /** As {@link nodes}, with addresses that may turn out to be those of one replica, or of this one. */
  listed(): readonly PeerNode[] {
    const listed = this.#fileNodes();
    const found = (this.#dns?.nodes ?? []).filter(
      (node) => !listed.some(({ grpcAddress }) => grpcAddress === node.grpcAddress),
    );
    return [...listed, ...found].filter(
      ({ name, grpcAddress }) => name !== this.#settings.name && grpcAddress !== this.ownPlace,
    );
  }

  /** Takes these places for no peers of their own, until told anew. */
  setAliases(places: readonly string[]): void {
    this.#aliases = new Set(places);
  }

  #fileNodes(): readonly PeerNode[] {
    try {
      return this.#file?.read() ?? [];
    } catch {
      // Was told by the file itself.
      return [];
    }
  }

  /** Why nobody knows yet whom the nodes file and DNS list; null where both were read once. */
  #unknownPeers(): CodedError | null {
    try {
      this.#file?.read();
    } catch (error) {
      return CodedError.from(error);
    }
    if (this.#dns === null || this.#dns.nodes !== null) return null;
    return this.#dns.error ?? new CodedError('busy', `${this.#dns.name} is still being looked up`);
  }

  client(
    { grpcAddress, tlsEnabled, caCertPath }: PeerNode,
    { runId, startCall }: Pick<MembersOf, 'runId' | 'startCall'> = { runId: null, startCall: null },
  ): PeerClient {
    const { tls, wire } = this.#settings;
    const paths = {
      ...(tls !== null && { certPath: tls.cert, keyPath: tls.key }),
      ...(caCertPath !== null ? { caPath: caCertPath } : tls?.ca ? { caPath: tls.ca } : {}),
    };
    return new PeerClient({
      place: grpcAddress,
      clock: this.#options.clock,
      limits: { sendBytesMax: wire.sendMax, acceptBytesMax: wire.acceptMax },
      compression: wire.compression,
      ...(tlsEnabled && { tls: new TlsFiles(paths) }),
      ...(runId !== null && { runId }),
      ...(startCall !== null && { startCall }),
    });
  }

  /**
   * `local` and the peers that are chosen. Throws `not-found` for one that is not listed, and why the nodes file or DNS
   * could not be read where nobody knows yet whom they list: a run over the others would leave them out.
   */
  open(local: Member, { peers: chosen, ...calls }: Omit<MembersOf, 'group'>): OpenedMembers {
    const nodes = this.nodes();
    const unknown = chosen?.find(
      (one) => !nodes.some(({ name, grpcAddress }) => one === name || one === grpcAddress),
    );
    const unread = chosen === null || unknown !== undefined ? this.#unknownPeers() : null;
    if (unread !== null) throw unread;
    if (unknown !== undefined) {
      throw new CodedError(
        'not-found',
        `there is no peer ${unknown}: neither the nodes file nor DNS lists it`,
        {
          field: 'peers',
          value: unknown,
        },
      );
    }
    const opened = new DisposableStack();
    const taken = nodes.filter(
      ({ name, grpcAddress }) => chosen === null || chosen.includes(name) || chosen.includes(grpcAddress),
    );
    const members = taken.map((node) => opened.use(new PeerMember(this.client(node, calls))));
    return { members: [local, ...members], [Symbol.dispose]: () => opened.dispose() };
  }
}
