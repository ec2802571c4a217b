import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CodedError } from '../../../src/lib/coded-error.ts';
import { NodesFile, type NodesFileProblem, parseNodes } from '../../../src/peer/nodes-file.ts';

const good = `# three replicas
nodes:
  - name: a
    grpc_address: 127.0.0.1:17912
  - name: b
    grpc_address: "[::1]:17912"
    tls_enabled: true
    ca_cert_path: /etc/ca.pem
  - {name: c, grpc_address: "c.example:1", tls_enabled: false, ca_cert_path: ""}
`;

function problemsOf(text: string): [number, string, string][] {
  try {
    parseNodes(text, 'nodes.yaml');
  } catch (error) {
    const { code, details } = error as CodedError;
    expect(code).toBe('bad-settings');
    return (details['problems'] as NodesFileProblem[]).map(({ line, field, message }) => [
      line,
      field,
      message,
    ]);
  }
  return [];
}

test('a good file', () => {
  expect(parseNodes(good, 'nodes.yaml')).toEqual([
    { name: 'a', grpcAddress: '127.0.0.1:17912', tlsEnabled: false, caCertPath: null },
    { name: 'b', grpcAddress: '[::1]:17912', tlsEnabled: true, caCertPath: '/etc/ca.pem' },
    { name: 'c', grpcAddress: 'c.example:1', tlsEnabled: false, caCertPath: null },
  ]);
  expect(parseNodes('nodes: []', 'nodes.yaml')).toEqual([]);
});

test('every problem is told with line and field', () => {
  const text = `nodes:
  - name: a
    grpc_address: nowhere
    tls_enabled: "yes"
  - name: 5
    grpc_address: a:70000
    port: 3
  - just text
  - name: a
    grpc_address: b:1
    ca_cert_path: /x
more: 1
`;
  expect(problemsOf(text)).toEqual([
    [12, 'more', 'is no field of a nodes file'],
    [3, 'nodes[0].grpc_address', 'is not HOST:PORT'],
    [4, 'nodes[0].tls_enabled', 'is not true or false'],
    [7, 'nodes[1].port', 'is no field of a node'],
    [5, 'nodes[1].name', 'is not a text'],
    [6, 'nodes[1].grpc_address', 'is not HOST:PORT'],
    [8, 'nodes[2]', 'is not a mapping'],
    [11, 'nodes[3].ca_cert_path', 'is set where tls_enabled is not'],
    [9, 'nodes[3].name', 'is that of another node too'],
  ]);
});

test.each([
  ['nothing', ''],
  ['a list', '- a'],
  ['no list', 'nodes: 3'],
  ['an alias', 'nodes: *x'],
  ['an alias for a node', 'nodes: [&x {name: a, grpc_address: "a:1"}, *x]'],
  ['broken YAML', 'nodes: [\n  {name: a'],
  ['a field twice', 'nodes:\n  - name: a\n    name: b\n    grpc_address: a:1'],
  ['too many', `nodes:\n${'  - {name: a}\n'.repeat(1_001)}`],
])('%s is told as a problem', (_, text) => {
  expect(problemsOf(text).length).toBeGreaterThan(0);
});

describe('a file', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tallystick-nodes-'));
    path = join(directory, 'nodes.yaml');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test('is read again when it changed, and kept as it was when it changed for the worse', () => {
    const problems: string[] = [];
    const file = new NodesFile(path, { onProblem: ({ code }) => problems.push(code) });
    for (let times = 0; times < 2; times += 1)
      expect(() => file.read()).toThrow(expect.objectContaining({ code: 'not-found' }));
    expect(file.error).toMatchObject({ code: 'not-found' });
    expect(problems.splice(0)).toEqual(['not-found']);
    writeFileSync(path, good);
    const first = file.read();
    expect(file.error).toBeNull();
    expect(first).toHaveLength(3);
    expect(file.read()).toBe(first);
    writeFileSync(path, 'nodes: [{}]');
    expect(file.read()).toBe(first);
    expect(file.read()).toBe(first);
    expect(problems).toEqual(['bad-settings']);
    expect(file.error).toMatchObject({ code: 'bad-settings' });
    writeFileSync(path, 'nodes: [{name: z, grpc_address: "z:1"}]');
    expect(file.read()).toMatchObject([{ name: 'z' }]);
    rmSync(path);
    expect(file.read()).toMatchObject([{ name: 'z' }]);
    expect(problems).toEqual(['bad-settings', 'not-found']);
  });

  test('that failed is read again though nothing tells that it changed', () => {
    const file = new NodesFile(path);
    const sound = 'nodes: [{name: a, grpc_address: "a:1"}]';
    const writeAt = (text: string, seconds: number): void => {
      writeFileSync(path, text);
      utimesSync(path, seconds, seconds);
    };
    writeAt(sound, 1);
    file.read();
    writeAt('x'.repeat(sound.length), 2);
    file.read();
    expect(file.error).not.toBeNull();
    writeAt(sound, 2);
    file.read();
    expect(file.error).toBeNull();
  });

  test('that is too large is not read', () => {
    writeFileSync(path, '#'.repeat(1024 * 1024 + 1));
    expect(() => new NodesFile(path).read()).toThrow(expect.objectContaining({ code: 'too-large' }));
  });
});
