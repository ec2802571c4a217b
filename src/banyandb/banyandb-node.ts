/** A BanyanDB data node: what it says of itself, and the connection to where it repairs. */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { PeerConnection } from '../peer/peer-connection.ts';
import type { OpenTransport } from '../peer/peer-transport.ts';
import type { TlsFiles } from '../peer/tls.ts';
import { isUnknownCall } from '../peer/wire-error.ts';
import { NodeQueryService } from './generated/banyandb/database/v1/database_pb.ts';
import {
  defaultNodeDeadlines,
  defaultNodeLimits,
  type NodeDeadlines,
  type NodeLimits,
} from './node-limits.ts';

export interface BanyandbNodeOptions {
  /** Its gRPC address, HOST:PORT. */
  readonly place: string;
  readonly clock: Clock;
  /** For both its addresses, unless {@link repairTls} is given. */
  readonly tls?: TlsFiles | undefined;
  /** For where it repairs, which a node encrypts by a switch of its own; null for without. */
  readonly repairTls?: TlsFiles | null | undefined;
  readonly limits?: Partial<NodeLimits> | undefined;
  readonly deadlines?: Partial<NodeDeadlines> | undefined;
  /** How its calls travel; HTTP/2 by default. */
  readonly openTransport?: OpenTransport | undefined;
}

/** How a node's shards are reached. */
export interface NodeRepair {
  readonly connection: PeerConnection;
  readonly deadlines: NodeDeadlines;
}

export class BanyandbNode implements Disposable {
  readonly place: string;
  readonly clock: Clock;
  readonly limits: NodeLimits;
  readonly deadlines: NodeDeadlines;
  readonly #options: BanyandbNodeOptions;
  #name: string | null = null;
  #connection: PeerConnection | null = null;

  constructor(options: BanyandbNodeOptions) {
    this.place = options.place;
    this.clock = options.clock;
    this.limits = { ...defaultNodeLimits, ...options.limits };
    this.deadlines = { ...defaultNodeDeadlines, ...options.deadlines };
    this.#options = options;
  }

  /** What it calls itself; null until it was asked. */
  get name(): string | null {
    return this.#name;
  }

  /** Asks the node where it repairs, once. Throws `refused` where it does not repair, `unreachable`, `timeout`. */
  async repair(signal?: AbortSignal): Promise<NodeRepair> {
    this.#connection ??= this.#connect(await this.#askRepairAddress(signal));
    return { connection: this.#connection, deadlines: this.deadlines };
  }

  [Symbol.dispose](): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = null;
  }

  async #askRepairAddress(signal: AbortSignal | undefined): Promise<string> {
    const { place, clock, tls, openTransport } = this.#options;
    using connection = new PeerConnection({ place, clock, openTransport, ...(tls && { tls }) });
    const nodes = connection.client(NodeQueryService);
    const asking = connection.ask((options) => nodes.getCurrentNode({}, options), {
      step: 'asking a node what it is',
      timeoutMs: this.deadlines.askMs,
      signal,
    });
    const { node } = await asking.catch((error: unknown) => {
      if (!(error instanceof CodedError) || !isUnknownCall(error)) throw error;
      const message =
        `${place} does not say what it is, as BanyanDB does since release 0.10; of a node of 0.9 copy the folder of its ` +
        'tree files and compare that';
      throw new CodedError('refused', message, { place }, { cause: error });
    });
    const address = node?.propertyRepairGossipGrpcAddress ?? '';
    if (node === undefined || address === '') {
      const message = `${place} is a BanyanDB process that repairs no properties: give data nodes, started with repair on`;
      throw new CodedError('refused', message, { place, name: node?.metadata?.name ?? null });
    }
    this.#name = node.metadata?.name ?? null;
    return address;
  }

  // Errors name the node as the user does, whichever of its addresses they come from.
  #connect(address: string): PeerConnection {
    const { place, clock, tls: ofNode, repairTls = ofNode, openTransport } = this.#options;
    const { acceptBytesMax } = this.limits;
    const tls = repairTls ?? undefined;
    const limits = { acceptBytesMax };
    return new PeerConnection({ place, address, clock, limits, openTransport, ...(tls && { tls }) });
  }
}
