/** Replicas as running services in this process, on free ports, and what tests ask of their admin endpoints. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunResource } from '../../src/admin/resources.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { Service } from '../../src/service/service.ts';
import { readSettings, type SettingValues } from '../../src/settings/settings.ts';
import { collectingLog, type LogLine } from './collecting-log.ts';
import { propertyRecord, runCli, writeRecords } from './run-cli.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of an answer by comparing it.
export type Json = any;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

/** Settings under which nothing starts by itself. */
const quiet: SettingValues = {
  'round.mode': 'off',
  'build.cron': '@yearly',
  'build.quickDelay': '24h',
  'admin.listen': '127.0.0.1:0',
};

export class Cluster implements AsyncDisposable {
  readonly directory: string;
  readonly #services: Service[] = [];

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<Cluster> {
    return new Cluster(await mkdtemp(join(tmpdir(), 'tallystick-service-')));
  }

  root(name: string): string {
    return join(this.directory, name);
  }

  /** Loads live properties of group `g`, name `n`, ids as keys, with their revisions. */
  async load(name: string, revisions: Readonly<Record<string, number>>, property = 'n'): Promise<void> {
    const records = Object.entries(revisions).map(([id, revision]) =>
      propertyRecord(`g/${property}/${id}`, revision, { r: String(revision) }),
    );
    const file = writeRecords(this.directory, `${name}-${Math.random()}.ndjson`, records);
    const { code, stderr } = await runCli(['load', '--root', this.root(name), file]);
    if (code !== 0) throw new Error(stderr);
  }

  /** Starts a replica; `flags` are options by dotted path, lists and all as `file`. */
  async start(name: string, flags: SettingValues = {}, file: string | null = null): Promise<Replica> {
    const path = file === null ? null : join(this.directory, `${name}.yaml`);
    if (path !== null && file !== null) await writeFile(path, file);
    const lines: LogLine[] = [];
    const all = { ...quiet, name, root: this.root(name), listen: '127.0.0.1:0', ...flags };
    const settings = await readSettings({ file: path, environment: {}, flags: all });
    const service = new Service({ settings, clock: systemClock, log: collectingLog(lines) });
    this.#services.push(service);
    await service.start();
    return new Replica(name, service, lines);
  }

  /** Writes a nodes file of these replicas and gives its path. */
  async nodes(...replicas: readonly Replica[]): Promise<string> {
    const path = join(this.directory, 'nodes.yaml');
    const nodes = replicas.map(
      ({ name, service }) => `  - { name: ${name}, grpc_address: "${service.address}" }\n`,
    );
    await writeFile(path, `nodes:\n${nodes.join('')}`);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Who calls goes before who is called.
    for (const service of this.#services.reverse()) await service[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export class Replica {
  readonly name: string;
  readonly service: Service;
  readonly log: readonly LogLine[];

  constructor(name: string, service: Service, log: readonly LogLine[]) {
    this.name = name;
    this.service = service;
    this.log = log;
  }

  get admin(): string {
    return this.service.adminAddress ?? '';
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return await answerOf(await fetch(`http://${this.admin}${path}`, { headers }));
  }

  async post(
    path: string,
    order: object | null = null,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const body = order === null ? null : JSON.stringify(order);
    const type = body === null ? {} : { 'content-type': 'application/json' };
    return await answerOf(
      await fetch(`http://${this.admin}${path}`, { method: 'POST', headers: { ...type, ...headers }, body }),
    );
  }

  /** Gives an order and waits for the run's end. */
  async run(path: '/v1/builds' | '/v1/repairs', order: object): Promise<RunResource> {
    const { status, body } = await this.post(path, order);
    if (status !== 202) throw new Error(JSON.stringify(body));
    return await this.ended(body.id);
  }

  /** The run, once it has ended. */
  async ended(id: string): Promise<RunResource> {
    return await this.firstRun(`/v1/runs/${id}/events`, ({ state }) => state === 'ended');
  }

  /** The first run of an event stream that is as wanted. */
  async firstRun(path: string, wanted: (run: RunResource) => boolean): Promise<RunResource> {
    const response = await fetch(`http://${this.admin}${path}`);
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        const run =
          data === undefined || !event.includes('event: run') ? null : (JSON.parse(data) as RunResource);
        if (run !== null && wanted(run)) return run;
      }
    }
    throw new Error('the stream ended');
  }
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
}
