/** Replicas that drifted apart, each served by a process of its own, as cluster tests use them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import type { RepairChange } from '../../src/repair/report.ts';
import { PeerMember } from '../../src/round/peer-member.ts';
import type { RoundReport } from '../../src/round/round-report.ts';
import { runRound } from '../../src/round/run-round.ts';
import { propertyRecord, runCli, writeRecords } from './run-cli.ts';
import { type ServeOptions, ServedReplica } from './served-replica.ts';

export const group = 'g';

/** A record of the group with this id. */
export function record(id: string, revision = 10): Record<string, unknown> {
  return propertyRecord(`${group}/n/${id}`, revision, { value: `value of ${id} at ${revision}` });
}

export class ServedCluster implements AsyncDisposable {
  readonly folder: string;
  readonly roots: readonly string[];
  readonly replicas: ServedReplica[] = [];

  constructor(folder: string, count: number) {
    this.folder = folder;
    this.roots = Array.from({ length: count }, (_, at) => join(folder, `root-${at}`));
    for (const root of this.roots) mkdirSync(root);
  }

  get places(): string[] {
    return this.replicas.map(({ place }) => place);
  }

  /** Loads records into the data root of a replica. */
  async load(replica: number, records: readonly unknown[]): Promise<void> {
    const file = writeRecords(this.folder, `records-${replica}.ndjson`, records);
    const { code, stderr } = await runCli([
      'load',
      '--root',
      this.roots[replica] ?? '',
      '--shards',
      '2',
      file,
    ]);
    if (code !== 0) throw new Error(stderr);
  }

  async delete(replica: number, id: string): Promise<void> {
    const { code, stderr } = await runCli([
      'delete',
      '--root',
      this.roots[replica] ?? '',
      `${group}/n/${id}`,
    ]);
    if (code !== 0) throw new Error(stderr);
  }

  /** Every replica has 100 entities in common and `own` that only it has; the first deleted one of all. */
  async drift(own: number): Promise<void> {
    for (const replica of this.roots.keys()) {
      const ids = [...idsOf('common', 100), ...idsOf(`own-${replica}`, own)];
      await this.load(
        replica,
        ids.map((id) => record(id)),
      );
    }
    await this.delete(0, 'common-7');
  }

  /** Starts the process of a replica, of all of them by default. */
  async start(options: Partial<ServeOptions> = {}, only?: number): Promise<void> {
    for (const [replica, root] of this.roots.entries()) {
      if (only !== undefined && only !== replica) continue;
      this.replicas[replica] = await ServedReplica.start({ root, name: `replica-${replica}`, ...options });
    }
  }

  /** A nodes file of all replicas as they are now. */
  nodesFile(tls = false): string {
    const path = join(this.folder, 'nodes.yaml');
    const lines = this.places.map(
      (place, at) =>
        `  - name: replica-${at}\n    grpc_address: ${place}\n    tls_enabled: ${tls}\n` +
        (tls ? `    ca_cert_path: ${this.folder}/ca.crt\n` : ''),
    );
    writeFileSync(path, `nodes:\n${lines.join('')}`);
    return path;
  }

  /** Compares all replicas, and builds nothing. */
  async audit(places: readonly string[] = this.places): Promise<{ code: number; lines: readonly unknown[] }> {
    return await runCli(['audit', ...places, '--json']);
  }

  /** A round over all replicas whose changes a test watches, as they happen. */
  async round(
    onChange?: (change: RepairChange) => void | Promise<void>,
    places = this.places,
  ): Promise<RoundReport> {
    using opened = new DisposableStack();
    const members = places.map((place) =>
      opened.use(new PeerMember(new PeerClient({ place, clock: systemClock }))),
    );
    return await runRound(members, { clock: systemClock, onChange });
  }

  /** The roots of each replica's shards, as it lists them. */
  async listedRoots(): Promise<string[]> {
    return await Promise.all(
      this.places.map(async (place) => {
        using client = new PeerClient({ place, clock: systemClock });
        const { shards } = await client.listShards();
        return shards
          .map(({ shard, tree }) => `${shard}:${tree?.leaves}:${tree?.root.toString('hex')}`)
          .join(' ');
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const replica of this.replicas) await replica[Symbol.asyncDispose]();
  }
}

/** PREFIX-0, PREFIX-1, … */
export function idsOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}-${at}`);
}
