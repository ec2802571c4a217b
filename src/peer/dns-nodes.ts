/** Peers from DNS: the SRV records of a name, each a host and a port, in an order that does not change by itself. */
import dns from 'node:dns/promises';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { nodesMax, type PeerNode } from './nodes-file.ts';
import { withinTime } from './within-time.ts';

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
}

export interface DnsNodesOptions {
  readonly clock: Clock;
  /** Whether and how the peers are spoken to encrypted. */
  readonly tls?: Pick<PeerNode, 'tlsEnabled' | 'caCertPath'>;
  readonly resolve?: (name: string) => Promise<readonly SrvRecord[]>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const lookupMs = 10_000;

/** The peers `name` stands for; their addresses are their names. Throws `not-found`, `unreachable`, `timeout`, `too-large`. */
export async function lookUpNodes(name: string, options: DnsNodesOptions): Promise<PeerNode[]> {
  const { clock, resolve = dns.resolveSrv, timeoutMs = lookupMs, signal, tls } = options;
  let records: readonly SrvRecord[];
  try {
    records = await withinTime(resolve(name), { clock, step: `looking up ${name}`, timeoutMs, signal });
  } catch (error) {
    throw lookupError(name, error);
  }
  if (records.length > nodesMax) {
    const message = `${name} stands for ${records.length} peers; the ceiling is ${nodesMax}`;
    throw new CodedError('too-large', message, { name, ceiling: nodesMax });
  }
  const addresses = new Set(records.map((record) => `${record.name.replace(/\.$/, '')}:${record.port}`));
  return [...addresses]
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((address) => ({ name: address, grpcAddress: address, tlsEnabled: false, caCertPath: null, ...tls }));
}

/** The peers of a name as they were last looked up; a lookup that fails leaves them as they were. */
export class DnsNodes {
  readonly name: string;
  readonly #options: Omit<DnsNodesOptions, 'signal'>;
  #nodes: readonly PeerNode[] | null = null;
  #error: CodedError | null = null;

  constructor(name: string, options: Omit<DnsNodesOptions, 'signal'>) {
    this.name = name;
    this.#options = options;
  }

  /** Null until a lookup went well. */
  get nodes(): readonly PeerNode[] | null {
    return this.#nodes;
  }

  /** Why the last lookup failed; null where it went well, or none was made. */
  get error(): CodedError | null {
    return this.#error;
  }

  /** Looks the name up; that it failed is in {@link error}. Throws only the signal's reason. */
  async lookUp(signal: AbortSignal): Promise<void> {
    try {
      this.#nodes = await lookUpNodes(this.name, { ...this.#options, signal });
      this.#error = null;
    } catch (error) {
      throwIfAborted(signal);
      this.#error = CodedError.from(error);
    }
  }
}

function lookupError(name: string, error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code === 'ENOTFOUND' || code === 'ENODATA') {
    return new CodedError('not-found', `there are no SRV records of ${name}`, { name }, { cause: error });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new CodedError(
    'unreachable',
    `${name} could not be looked up: ${reason}`,
    { name },
    { cause: error },
  );
}
