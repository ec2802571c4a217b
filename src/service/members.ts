/** Who takes part in a run: this replica, and the peers of the nodes file except itself. */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { NodesFile, type PeerNode } from '../peer/nodes-file.ts';
import { PeerClient } from '../peer/peer-client.ts';
import { TlsFiles } from '../peer/tls.ts';
import type { StartCall } from '../peer/traced-calls.ts';
import type { Member } from '../round/member.ts';
import { PeerMember } from '../round/peer-member.ts';
import type { Settings } from '../settings/settings.ts';

export interface PeersOptions {
  readonly clock: Clock;
  readonly onProblem: (problem: CodedError) => void;
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

export class Peers {
  readonly #options: PeersOptions;
  #settings: Settings;
  #file: NodesFile | null;
  /** Where this replica listens, so that it is not taken for a peer. */
  ownPlace: string | null = null;

  constructor(settings: Settings, options: PeersOptions) {
    this.#options = options;
    this.#settings = settings;
    this.#file = this.#nodesFile(settings);
  }

  reconfigure(settings: Settings): void {
    if (settings.nodes !== this.#settings.nodes) this.#file = this.#nodesFile(settings);
    this.#settings = settings;
  }

  #nodesFile({ nodes }: Settings): NodesFile | null {
    return nodes === null ? null : new NodesFile(nodes, { onProblem: this.#options.onProblem });
  }

  /** Peers of the nodes file as it is now; a file that cannot be read is told and gives none. */
  nodes(): readonly PeerNode[] {
    try {
      const nodes = this.#file?.read() ?? [];
      return nodes.filter(
        ({ name, grpcAddress }) => name !== this.#settings.name && grpcAddress !== this.ownPlace,
      );
    } catch (error) {
      this.#options.onProblem(CodedError.from(error));
      return [];
    }
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

  /** `local` and the peers that are chosen. Throws `not-found` for one that is not listed. */
  open(local: Member, { peers: chosen, ...calls }: Omit<MembersOf, 'group'>): OpenedMembers {
    const nodes = this.nodes();
    const unknown = chosen?.find(
      (one) => !nodes.some(({ name, grpcAddress }) => one === name || one === grpcAddress),
    );
    if (unknown !== undefined) {
      throw new CodedError('not-found', `there is no peer ${unknown} in the nodes file`, {
        field: 'peers',
        value: unknown,
      });
    }
    const opened = new DisposableStack();
    const taken = nodes.filter(
      ({ name, grpcAddress }) => chosen === null || chosen.includes(name) || chosen.includes(grpcAddress),
    );
    const members = taken.map((node) => opened.use(new PeerMember(this.client(node, calls))));
    return { members: [local, ...members], [Symbol.dispose]: () => opened.dispose() };
  }
}
