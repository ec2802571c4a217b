/**
 * The nodes file: which peers there are, in BanyanDB's shape (`nodes:` a list of `name`, `grpc_address`,
 * `tls_enabled`, `ca_cert_path`), so that one file serves both. Every problem of a file is told at once, with line
 * and field; a file that changed is read again, and one that changed for the worse leaves the nodes as they were.
 */
import { readFileSync, statSync } from 'node:fs';
import { parseAddress } from '../lib/address.ts';
import { CodedError } from '../lib/coded-error.ts';
import { isErrno } from '../lib/errno.ts';
import { parseYamlTree, type YamlTree } from '../lib/yaml-tree.ts';

export interface PeerNode {
  readonly name: string;
  /** HOST:PORT. */
  readonly grpcAddress: string;
  readonly tlsEnabled: boolean;
  /** PEM file of who signs the node's certificate; null to trust the system's. */
  readonly caCertPath: string | null;
}

export interface NodesFileProblem {
  /** From 1. */
  readonly line: number;
  /** Such as `nodes[2].grpc_address`. */
  readonly field: string;
  readonly value: unknown;
  readonly message: string;
}

/** Nodes in a file: far more replicas than a shard has. */
export const nodesMax = 1_000;

/** Bytes of a nodes file: a thousand nodes with long paths. */
export const nodesFileBytesMax = 1024 * 1024;

/** Problems told of one file. */
const problemsMax = 100;

/** Characters of a name, an address, a path. */
const textLengthMax = 4_096;

/** Reads the text of a nodes file. Throws `bad-settings` with every problem in `problems`. */
export function parseNodes(text: string, path: string): PeerNode[] {
  const reader = new NodesReader();
  const nodes = reader.read(text);
  const { problems } = reader;
  const [first] = problems;
  if (first === undefined) return nodes;
  const more = problems.length > 1 ? `, and ${problems.length - 1} more` : '';
  const message = `${path}, line ${first.line}: ${first.field === '' ? '' : `${first.field}: `}${first.message}${more}`;
  throw new CodedError('bad-settings', message, { path, problems: problems.slice(0, problemsMax) });
}

class NodesReader {
  readonly problems: NodesFileProblem[] = [];

  read(text: string): PeerNode[] {
    const tree = parseYamlTree(text);
    if (!('kind' in tree)) {
      for (const { line, message } of tree) this.problems.push({ line, field: '', value: null, message });
      return [];
    }
    if (tree.kind !== 'map') return this.#wrong(tree, '', 'is not a mapping with `nodes`');
    let list: YamlTree | null = null;
    for (const { key, line, value } of tree.entries) {
      if (key === 'nodes') list = value;
      else this.#wrong({ line }, key, 'is no field of a nodes file');
    }
    if (list?.kind !== 'list') return this.#wrong(list ?? tree, 'nodes', 'is missing or is not a list');
    if (list.items.length > nodesMax) return this.#wrong(list, 'nodes', `has more than ${nodesMax} nodes`);
    const placed = list.items
      .map((item, at) => this.#node(item, `nodes[${at}]`))
      .filter((node) => node !== null);
    this.#checkDistinct(placed);
    return placed.map(({ node }) => node);
  }

  #node(item: YamlTree, field: string): PlacedNode | null {
    if (item.kind !== 'map') {
      this.#wrong(item, field, 'is not a mapping');
      return null;
    }
    const values = new Map<string, YamlTree>();
    for (const { key, line, value } of item.entries) {
      if (nodeFields.includes(key)) values.set(key, value);
      else this.#wrong({ line }, `${field}.${key}`, 'is no field of a node');
    }
    const name = this.#text(values.get('name'), item, `${field}.name`);
    const grpcAddress = this.#text(values.get('grpc_address'), item, `${field}.grpc_address`);
    const address = parseAddress(grpcAddress);
    if (grpcAddress !== '' && (typeof address === 'string' || address.port === 0)) {
      this.#wrong(values.get('grpc_address') ?? item, `${field}.grpc_address`, 'is not HOST:PORT');
    }
    const tls = values.get('tls_enabled');
    const tlsEnabled = tls === undefined ? false : tls.kind === 'scalar' ? tls.value : null;
    if (typeof tlsEnabled !== 'boolean')
      this.#wrong(tls ?? item, `${field}.tls_enabled`, 'is not true or false');
    const ca = values.get('ca_cert_path');
    // BanyanDB's files have an empty path where there is none.
    const absent = ca === undefined || (ca.kind === 'scalar' && (ca.value === null || ca.value === ''));
    const caCertPath = absent ? null : this.#text(ca, item, `${field}.ca_cert_path`);
    if (caCertPath !== null && tlsEnabled === false) {
      this.#wrong(ca ?? item, `${field}.ca_cert_path`, 'is set where tls_enabled is not');
    }
    return { node: { name, grpcAddress, tlsEnabled: tlsEnabled === true, caCertPath }, values, field };
  }

  #checkDistinct(placed: readonly PlacedNode[]): void {
    const seen = new Set<string>();
    for (const { node, values, field } of placed) {
      for (const [key, value] of [
        ['name', node.name],
        ['grpc_address', node.grpcAddress],
      ] as const) {
        const place = values.get(key);
        if (place === undefined || value === '') continue;
        if (seen.has(`${key} ${value}`)) this.#wrong(place, `${field}.${key}`, 'is that of another node too');
        seen.add(`${key} ${value}`);
      }
    }
  }

  #text(tree: YamlTree | undefined, parent: YamlTree, field: string): string {
    const value = tree?.kind === 'scalar' ? tree.value : null;
    if (typeof value === 'string' && value !== '' && value.length <= textLengthMax) return value;
    this.#wrong(tree ?? parent, field, tree === undefined ? 'is missing' : 'is not a text');
    return '';
  }

  #wrong(place: YamlTree | { readonly line: number }, field: string, message: string): [] {
    const value = 'kind' in place && place.kind === 'scalar' ? place.value : null;
    this.problems.push({ line: place.line, field, value, message });
    return [];
  }
}

interface PlacedNode {
  readonly node: PeerNode;
  readonly values: ReadonlyMap<string, YamlTree>;
  readonly field: string;
}

const nodeFields: readonly string[] = ['name', 'grpc_address', 'tls_enabled', 'ca_cert_path'];

export interface NodesFileOptions {
  /** Told once for each state of the file that cannot be used; the nodes read before stay. */
  readonly onProblem?: (problem: CodedError) => void;
}

/** A nodes file as it is now. */
export class NodesFile {
  readonly path: string;
  readonly #onProblem: (problem: CodedError) => void;
  #nodes: readonly PeerNode[] | null = null;
  #error: CodedError | null = null;
  /** Of the state that was read last, well or not; null before the first. */
  #stamp: string | null = null;

  constructor(path: string, { onProblem = () => undefined }: NodesFileOptions = {}) {
    this.path = path;
    this.#onProblem = onProblem;
  }

  /** Why the last reading failed; null where it went well. */
  get error(): CodedError | null {
    return this.#error;
  }

  /**
   * The nodes, the same array as before where the file did not change; one that failed is read again, since not all that
   * helps changes the file. Throws `not-found`, `too-large`, `bad-settings`, `io` unless an earlier reading went well.
   */
  read(): readonly PeerNode[] {
    let stamp = '';
    try {
      const { mtimeMs, size, ino } = statSync(this.path);
      stamp = `${mtimeMs}/${size}/${ino}`;
      if (this.#nodes !== null && this.#error === null && stamp === this.#stamp) return this.#nodes;
      if (size > nodesFileBytesMax) {
        const message = `${this.path} has ${size} bytes; the ceiling is ${nodesFileBytesMax}`;
        throw new CodedError('too-large', message, { path: this.path, ceiling: nodesFileBytesMax });
      }
      this.#nodes = parseNodes(readFileSync(this.path, 'utf8'), this.path);
      this.#error = null;
    } catch (error) {
      this.#error = this.#coded(error);
      if (stamp !== this.#stamp) this.#onProblem(this.#error);
      if (this.#nodes === null) throw this.#error;
    } finally {
      this.#stamp = stamp;
    }
    return this.#nodes;
  }

  #coded(error: unknown): CodedError {
    if (isErrno(error, 'ENOENT')) {
      return new CodedError(
        'not-found',
        `there is no nodes file ${this.path}`,
        { path: this.path },
        { cause: error },
      );
    }
    return CodedError.from(error);
  }
}
