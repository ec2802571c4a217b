/**
 * Three data nodes and a liaison of a real BanyanDB on loopback, in a folder of their own. The server program is the
 * one that the variable BANYANDB_BIN names; BANYANDB_BIN_OTHER_SPELLING may name another that spells JSON otherwise.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { BanyandbGateway, until } from './banyandb-gateway.ts';

export const banyandbProgram = programOf('BANYANDB_BIN');
export const otherSpellingProgram = programOf('BANYANDB_BIN_OTHER_SPELLING');

/** Why nothing is run against a BanyanDB; null where it can be. */
export const noBanyandb = banyandbProgram === '' ? 'BANYANDB_BIN names no BanyanDB server program' : null;

/** Ports that each process listens on. */
const portsPerProcess = 7;

export interface ClusterOptions {
  /** When trees are built: on this cron, and so long after a write. */
  readonly buildCron?: string;
  readonly buildAfter?: string;
}

export interface RestartOptions {
  /** Run instead of the program of the variable. */
  readonly program?: string;
  /** Beside those that it was started with; they are gone with the next start. */
  readonly flags?: readonly string[];
}

interface Started {
  readonly args: readonly string[];
  readonly log: number;
  child: ChildProcess;
}

export class BanyandbCluster implements AsyncDisposable {
  /** Made at the start, so that a test that is skipped leaves nothing. */
  folder = '';
  /** gRPC addresses of the data nodes, which are their names too. */
  places: readonly string[] = [];
  /** gRPC address. */
  liaison = '';
  gateway = new BanyandbGateway('');
  /** Where each node tells its metrics. */
  readonly #metrics = new Map<string, string>();
  readonly #processes = new Map<string, Started>();
  readonly #options: ClusterOptions;

  constructor(options: ClusterOptions = {}) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.folder = mkdtempSync(join(tmpdir(), 'tallystick-banyandb-'));
    const ports = await freePorts(portsPerProcess * 4);
    const dealt = [0, 1, 2, 3].map((at) => ports.slice(at * portsPerProcess, (at + 1) * portsPerProcess));
    this.places = dealt.slice(0, 3).map(([port]) => `127.0.0.1:${port}`);
    const listed = this.places.map((place) => `  - name: "${place}"\n    grpc_address: "${place}"\n`);
    writeFileSync(this.nodesFile, `nodes:\n${listed.join('')}`);
    for (const [at, place] of this.places.entries()) {
      this.#metrics.set(place, `127.0.0.1:${dealt[at]?.[5]}`);
      this.#spawn(place, this.#dataFlags(dealt[at] ?? []));
    }
    const [grpc = 0, http = 0, queue = 0, queueHttp = 0] = dealt[3] ?? [];
    this.liaison = `127.0.0.1:${grpc}`;
    this.gateway = new BanyandbGateway(`127.0.0.1:${http}`);
    const property = this.#commonFlags('liaison', dealt[3] ?? []);
    this.#spawn('liaison', [
      'liaison',
      ...['--grpc-host=127.0.0.1', `--grpc-port=${grpc}`, '--http-host=127.0.0.1', `--http-port=${http}`],
      ...[`--http-grpc-addr=127.0.0.1:${grpc}`, '--liaison-server-grpc-host=127.0.0.1'],
      ...[`--liaison-server-grpc-port=${queue}`, `--liaison-server-http-port=${queueHttp}`],
      ...property.filter((flag) => !flag.startsWith('--property-root')),
    ]);
    await Promise.all(this.places.map((place) => this.#untilActive(place, true)));
  }

  /** The discovery file that all its processes read. */
  get nodesFile(): string {
    return join(this.folder, 'nodes.yaml');
  }

  /** Ends one node, and waits until the liaison has noticed. */
  async stop(place: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.end(place, signal);
    await this.#untilActive(place, false);
  }

  /** Ends one node, and waits for nothing else. */
  async end(place: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.#processes.get(place)?.child;
    if (child === undefined) throw new Error(`no node ${place}`);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** Starts a stopped node again and waits until it is written to. */
  async restart(place: string, { program, flags = [] }: RestartOptions = {}): Promise<void> {
    const started = this.#processes.get(place);
    if (started === undefined) throw new Error(`no node ${place}`);
    // Of a flag that is given twice the later counts.
    started.child = this.#run([...started.args, ...flags], started.log, program);
    await this.#untilActive(place, true);
  }

  /** The nodes that have something of a group on their disks. */
  holders(group: string): readonly string[] {
    return this.places.filter((place) => existsSync(join(this.#propertyFolder(place), 'data', group)));
  }

  /** Throws away what a stopped node has of a group. */
  empty(place: string, group: string): void {
    for (const kind of ['data', 'repairs']) {
      rmSync(join(this.#propertyFolder(place), kind, group), { recursive: true, force: true });
    }
  }

  /** A copy of each tree file that a node has of a group, by shard; in `target`, which is made. */
  copyTrees(place: string, group: string, target: string): string[] {
    return this.treeFiles(place, group).map((path) => {
      const folder = join(target, dataFolder(place), basename(dirname(path)));
      mkdirSync(folder, { recursive: true });
      copyFileSync(path, join(folder, basename(path)));
      return join(folder, basename(path));
    });
  }

  /** Where a node puts its tree of each shard that it has built something of; the node writes them in place. */
  treeFiles(place: string, group: string): string[] {
    const trees = join(this.#propertyFolder(place), 'repairs', group);
    const shards = existsSync(trees) ? readdirSync(trees).sort() : [];
    return shards.map((shard) => join(trees, shard, 'state-tree.data'));
  }

  /** Documents in a node's index of a group, as the node counts them now and then: one per version it stores. */
  async documents(place: string, group: string): Promise<number> {
    return await this.metric(place, 'property_inverted_index_total_doc_count', group);
  }

  /** A metric of a node, summed over all series of a group; 0 where there is none. */
  async metric(place: string, name: string, group: string): Promise<number> {
    const answer = await fetch(`http://${this.#metrics.get(place)}/metrics`);
    const series = (await answer.text())
      .split('\n')
      .filter((line) => line.startsWith(`banyandb_${name}{`) && line.includes(`group="${group}"`));
    return series.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
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

  async #untilActive(place: string, expected: boolean): Promise<void> {
    await until(`the liaison ${expected ? 'uses' : 'leaves out'} ${place}`, async () => {
      const active = (await this.gateway.activeNodes()).includes(place);
      return active === expected ? true : null;
    });
  }

  #propertyFolder(place: string): string {
    return join(this.folder, dataFolder(place), 'property');
  }

  #spawn(name: string, args: readonly string[]): void {
    const log = openSync(join(this.folder, `${dataFolder(name)}.log`), 'a');
    this.#processes.set(name, { args, log, child: this.#run(args, log) });
  }

  #run(args: readonly string[], log: number, program = banyandbProgram): ChildProcess {
    return spawn(program, [...args], { stdio: ['ignore', log, log], cwd: this.folder });
  }

  #dataFlags(ports: readonly number[]): string[] {
    const [grpc = 0, http = 0, repair = 0, schema = 0] = ports;
    const folder = dataFolder(`127.0.0.1:${grpc}`);
    const { buildCron = '@every 10s', buildAfter = '3s' } = this.#options;
    return [
      'data',
      ...['--grpc-host=127.0.0.1', `--grpc-port=${grpc}`, `--http-port=${http}`],
      ...['--property-repair-gossip-grpc-host=127.0.0.1', `--property-repair-gossip-grpc-port=${repair}`],
      ...['--schema-server-grpc-host=127.0.0.1', `--schema-server-grpc-port=${schema}`],
      `--schema-server-root-path=${join(this.folder, folder)}`,
      `--property-repair-build-tree-cron=${buildCron}`,
      `--property-repair-quick-build-tree-time=${buildAfter}`,
      // BanyanDB's own repair waits for the night.
      '--property-repair-trigger-cron=0 2 * * *',
      ...this.#commonFlags(folder, ports),
    ];
  }

  #commonFlags(folder: string, ports: readonly number[]): string[] {
    const root = join(this.folder, folder);
    mkdirSync(root, { recursive: true });
    return [
      `--pprof-listener-addr=127.0.0.1:${ports[4]}`,
      `--observability-listener-addr=127.0.0.1:${ports[5]}`,
      ...['--observability-modes=prometheus', '--node-host-provider=flag', '--node-host=127.0.0.1'],
      ...['--node-discovery-mode=file', `--node-discovery-file-path=${this.nodesFile}`],
      '--node-discovery-file-fetch-interval=3s',
      ...['property', 'measure', 'stream', 'trace'].map((kind) => `--${kind}-root-path=${root}`),
    ];
  }
}

function programOf(variable: string): string {
  const path = process.env[variable] ?? '';
  if (path !== '' && !existsSync(path)) throw new Error(`${variable} names no file: ${path}`);
  return path;
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
