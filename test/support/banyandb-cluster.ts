/**
 * Three data nodes and a liaison of a real BanyanDB on loopback, in a folder of their own. The server program is the
 * one that the variable BANYANDB_BIN names.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const banyandbProgram = process.env['BANYANDB_BIN'] ?? '';

/** Ports that each process listens on. */
const portsPerProcess = 7;

/** How long the cluster may take for what is waited for. */
const patienceMs = 180_000;

interface Started {
  readonly args: readonly string[];
  readonly log: number;
  child: ChildProcess;
}

export class BanyandbCluster implements AsyncDisposable {
  /** Made at the start, so that a test that is skipped leaves nothing. */
  folder = '';
  /** gRPC addresses of the data nodes. */
  places: readonly string[] = [];
  liaison = '';
  #gateway = '';
  readonly #processes = new Map<string, Started>();

  async start(): Promise<void> {
    this.folder = mkdtempSync(join(tmpdir(), 'tallystick-banyandb-'));
    const ports = await freePorts(portsPerProcess * 4);
    const dealt = [0, 1, 2, 3].map((at) => ports.slice(at * portsPerProcess, (at + 1) * portsPerProcess));
    const nodes = join(this.folder, 'nodes.yaml');
    this.places = dealt.slice(0, 3).map(([port]) => `127.0.0.1:${port}`);
    const listed = this.places.map((place) => `  - name: "${place}"\n    grpc_address: "${place}"\n`);
    writeFileSync(nodes, `nodes:\n${listed.join('')}`);
    for (const [at, place] of this.places.entries())
      this.#spawn(place, this.#dataFlags(dealt[at] ?? [], nodes));
    const [grpc = 0, http = 0, queue = 0, queueHttp = 0] = dealt[3] ?? [];
    this.liaison = `127.0.0.1:${grpc}`;
    this.#gateway = `http://127.0.0.1:${http}/api/v1`;
    this.#spawn('liaison', [
      'liaison',
      ...['--grpc-host=127.0.0.1', `--grpc-port=${grpc}`, '--http-host=127.0.0.1', `--http-port=${http}`],
      ...[`--http-grpc-addr=127.0.0.1:${grpc}`, '--liaison-server-grpc-host=127.0.0.1'],
      ...[`--liaison-server-grpc-port=${queue}`, `--liaison-server-http-port=${queueHttp}`],
      ...this.#commonFlags('liaison', dealt[3] ?? [], nodes).filter(
        (flag) => !flag.startsWith('--property-root'),
      ),
    ]);
  }

  async makeGroup(group: string, shards: number): Promise<void> {
    const settings = { shard_num: shards, replicas: 2 };
    const metadata = { name: group };
    await this.#until(() =>
      this.#call('POST', '/group/schema', {
        group: { metadata, catalog: 'CATALOG_PROPERTY', resource_opts: settings },
      }),
    );
    const property = { metadata: { group, name: 'p' }, tags: [{ name: 's', type: 'TAG_TYPE_STRING' }] };
    await this.#until(() => this.#call('POST', '/property/schema', { property }));
    await this.write(group, 'first', 'x');
  }

  /** Resolves when one copy has it, as the cluster promises. */
  async write(group: string, id: string, text: string): Promise<void> {
    const property = {
      metadata: { group, name: 'p' },
      id,
      tags: [{ key: 's', value: { str: { value: text } } }],
    };
    await this.#until(() =>
      this.#call('PUT', `/property/data/${group}/p/${id}`, { property, strategy: 'STRATEGY_REPLACE' }),
    );
  }

  async remove(group: string, id: string): Promise<void> {
    await this.#until(() => this.#call('DELETE', `/property/data/${group}/p/${id}`));
  }

  /** Ids that a query of the cluster finds. */
  async query(group: string): Promise<string[]> {
    const answer = await this.#until(() =>
      this.#call('POST', '/property/data/query', { groups: [group], limit: 100_000 }),
    );
    return ((answer['properties'] ?? []) as { id: string }[]).map(({ id }) => id);
  }

  /** Ends one process, and waits until the rest has noticed. */
  async stop(name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#processes.get(name)?.child;
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    child?.kill(signal);
    await ended;
    await sleep(15_000);
  }

  /** Starts a stopped process again; `program` is run instead where given. */
  async restart(name: string, program = banyandbProgram): Promise<void> {
    const started = this.#processes.get(name);
    if (started !== undefined) started.child = this.#run(started.args, started.log, program);
    await sleep(25_000);
  }

  /** The program with a byte after its end: the same, but its spelling of JSON is chosen by its bytes. */
  otherProgram(): string {
    const path = join(this.folder, 'other-program');
    copyFileSync(banyandbProgram, path);
    appendFileSync(path, 'x');
    return path;
  }

  /** Throws away what a stopped node has of a group. */
  empty(place: string, group: string): void {
    for (const kind of ['data', 'repairs']) {
      rmSync(join(this.folder, dataFolder(place), 'property', kind, group), { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = [...this.#processes.values()].map(({ child }) => {
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
      const exit = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      return exit;
    });
    await Promise.all(ended);
    if (this.folder !== '') rmSync(this.folder, { recursive: true, force: true });
  }

  #spawn(name: string, args: readonly string[]): void {
    const log = openSync(join(this.folder, `${dataFolder(name)}.log`), 'a');
    this.#processes.set(name, { args, log, child: this.#run(args, log) });
  }

  #run(args: readonly string[], log: number, program = banyandbProgram): ChildProcess {
    return spawn(program, [...args], { stdio: ['ignore', log, log], cwd: this.folder });
  }

  #dataFlags(ports: readonly number[], nodes: string): string[] {
    const [grpc = 0, http = 0, repair = 0, schema = 0] = ports;
    const folder = dataFolder(`127.0.0.1:${grpc}`);
    return [
      'data',
      ...['--grpc-host=127.0.0.1', `--grpc-port=${grpc}`, `--http-port=${http}`],
      ...['--property-repair-gossip-grpc-host=127.0.0.1', `--property-repair-gossip-grpc-port=${repair}`],
      ...['--schema-server-grpc-host=127.0.0.1', `--schema-server-grpc-port=${schema}`],
      `--schema-server-root-path=${join(this.folder, folder)}`,
      // Trees are built often, and their own repair runs at night.
      ...['--property-repair-build-tree-cron=@every 10s', '--property-repair-quick-build-tree-time=3s'],
      '--property-repair-trigger-cron=0 2 * * *',
      ...this.#commonFlags(folder, ports, nodes),
    ];
  }

  #commonFlags(folder: string, ports: readonly number[], nodes: string): string[] {
    const root = join(this.folder, folder);
    mkdirSync(root, { recursive: true });
    const roots = ['property', 'measure', 'stream', 'trace'].map((kind) => `--${kind}-root-path=${root}`);
    return [
      ...[
        `--pprof-listener-addr=127.0.0.1:${ports[4]}`,
        `--observability-listener-addr=127.0.0.1:${ports[5]}`,
      ],
      ...['--observability-modes=prometheus', '--node-host-provider=flag', '--node-host=127.0.0.1'],
      ...[
        '--node-discovery-mode=file',
        `--node-discovery-file-path=${nodes}`,
        '--node-discovery-file-fetch-interval=3s',
      ],
      ...roots,
    ];
  }

  async #call(method: string, path: string, body?: object): Promise<Record<string, unknown> | null> {
    try {
      const headers = { 'Content-Type': 'application/json' };
      const signal = AbortSignal.timeout(20_000);
      const answer = await fetch(`${this.#gateway}${path}`, {
        method,
        headers,
        signal,
        body: body ? JSON.stringify(body) : null,
      });
      const json = (await answer.json()) as Record<string, unknown>;
      return answer.ok ? json : null;
    } catch {
      // Not there yet, or not all of it: whoever calls tries again.
      return null;
    }
  }

  async #until<T>(work: () => Promise<T | null>): Promise<T> {
    const endsMs = performance.now() + patienceMs;
    for (;;) {
      const done = await work();
      if (done !== null) return done;
      if (performance.now() > endsMs) throw new Error('the cluster did not come to it in time');
      await sleep(500);
    }
  }
}

function dataFolder(place: string): string {
  return place.replace(':', '-');
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
