/**
 * The nodes file: which peers there are, in the shape of BanyanDB's file discovery (`nodes:` a list of `name`,
 * `grpc_address`, `tls_enabled`, `ca_cert_path`), so that one file serves both. Faults are told with their line.
 */
import { readFile } from 'node:fs/promises';
import { CodedError } from '../lib/coded-error.ts';
import { parseYaml } from '../lib/yaml.ts';

/** Nodes of one file: a cluster of more would be watched in parts. */
export const nodesMax = 1_000;

export interface ListedNode {
  readonly name: string;
  /** HOST:PORT. */
  readonly grpcAddress: string;
  readonly tlsEnabled: boolean;
  /** PEM file that signs the node's certificate; null for the system's. */
  readonly caCertPath: string | null;
}

interface NodeProblem {
  readonly file: string;
  readonly line: number;
  readonly field: string;
  readonly value: unknown;
  readonly message: string;
}

const members: readonly string[] = ['name', 'grpc_address', 'tls_enabled', 'ca_cert_path'];

/** Reads a nodes file. Throws `not-found`, or `bad-settings` with every problem. */
export async function readNodesFile(path: string): Promise<ListedNode[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CodedError('not-found', `nodes file ${path} cannot be read`, { path }, { cause });
  });
  return parseNodes(path, text);
}

/** Parses the text of a nodes file. Throws `bad-settings` with every problem. */
export function parseNodes(file: string, text: string): ListedNode[] {
  const document = parseYaml(file, text);
  const problems: NodeProblem[] = [];
  const problem = (field: string, value: unknown, message: string): void => {
    problems.push({ file, line: lineOf(text, value), field, value: value ?? null, message });
  };
  const list = isObject(document) ? document['nodes'] : undefined;
  if (!Array.isArray(list)) problem('nodes', list, 'a list of nodes is wanted');
  const nodes: ListedNode[] = [];
  for (const [position, node] of (Array.isArray(list) ? list : []).entries()) {
    const field = `nodes[${position}]`;
    if (position === nodesMax) problem(field, list, `at most ${nodesMax} nodes are read`);
    if (position >= nodesMax) break;
    if (isObject(node)) nodes.push(readNode(node, field, problem));
    else problem(field, node, 'an object is wanted');
  }
  for (const name of ['name', 'grpcAddress'] as const) {
    const seen = new Set<string>();
    for (const [position, node] of nodes.entries()) {
      if (seen.has(node[name])) problem(`nodes[${position}]`, node[name], `two nodes have this ${name === 'name' ? name : 'grpc_address'}`);
      seen.add(node[name]);
    }
  }
  if (problems.length > 0) {
    throw new CodedError('bad-settings', `nodes file ${file} has ${problems.length} problems`, { problems });
  }
  return nodes;
}

function readNode(
  node: Record<string, unknown>,
  field: string,
  problem: (field: string, value: unknown, message: string) => void,
): ListedNode {
  for (const name of Object.keys(node)) {
    if (!members.includes(name)) problem(`${field}.${name}`, name, 'there is no such member');
  }
  const { name, grpc_address: address, tls_enabled: tls = false, ca_cert_path: ca = null } = node;
  if (typeof name !== 'string' || name === '') problem(`${field}.name`, name, 'a text is wanted');
  if (typeof address !== 'string' || !/^.+:\d{1,5}$/.test(address)) problem(`${field}.grpc_address`, address, 'HOST:PORT is wanted');
  if (typeof tls !== 'boolean') problem(`${field}.tls_enabled`, tls, 'true or false is wanted');
  if (ca !== null && typeof ca !== 'string') problem(`${field}.ca_cert_path`, ca, 'a path is wanted');
  // BanyanDB's files have an empty path where there is none.
  return { name: String(name), grpcAddress: String(address), tlsEnabled: tls === true, caCertPath: ca === '' || ca === null ? null : String(ca) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where a scalar stands first; 1 where it is not to be found. */
function lineOf(text: string, value: unknown): number {
  if (typeof value !== 'string' && typeof value !== 'number') return 1;
  const at = text.indexOf(String(value));
  return at < 0 ? 1 : text.slice(0, at).split('\n').length;
}
