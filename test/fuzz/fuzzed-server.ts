/**
 * A `serve` process that is sent what nobody should send, from a seed. What holds all the while: it lives, its
 * memory is bounded, it answers those who ask properly, and nothing is changed that was not properly asked.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { entityHash, shardOf } from '../../src/property/placement.ts';
import { parseSource } from '../../src/property/source-json.ts';
import type { StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { propertyRecord, runCli, writeRecords } from '../support/run-cli.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { ServedReplica } from '../support/served-replica.ts';
import { makeVersion } from '../support/versions.ts';
import { type AttackLimit, Attacks, type FuzzCounts } from './attacks.ts';
import { FuzzCalls } from './fuzz-calls.ts';
import { hostileConnection } from './fuzz-connections.ts';
import { FuzzRequests, type OpenApi } from './fuzz-requests.ts';
import { checkEnd, checkSound, contentOf } from './served-checks.ts';

const shards = 2;
const kept = 200;

export class FuzzedServer implements AsyncDisposable {
  readonly #folder: string;
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #replica: ServedReplica;
  /** What was there before, and what may have come: entity key in hex to the text that it must have. */
  readonly #before: ReadonlyMap<string, string>;
  readonly #offered: readonly StoredVersion[];
  readonly #attacks: Attacks;

  private constructor(folder: string, seed: number, replica: ServedReplica) {
    this.#folder = folder;
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#replica = replica;
    this.#attacks = new Attacks({ seed, replica });
    this.#before = contentOf(rootOf(folder), 'keep', shards);
    // All of one shard: the calls that apply them name it.
    this.#offered = Array.from({ length: 60 }, (_, id) =>
      makeVersion({ group: 'keep', name: 'offered', id: String(id), revision: 5n }),
    ).filter(({ source }) => shardOf(entityHash(parseSource(source)), shards) === 0);
  }

  static async start(seed: number): Promise<FuzzedServer> {
    const folder = await mkdtemp(join(tmpdir(), 'tallystick-fuzz-'));
    const records = Array.from({ length: kept }, (_, id) =>
      propertyRecord(`keep/n/${id}`, 5, { value: `v${id}` }),
    );
    const file = writeRecords(folder, 'records.ndjson', records);
    const root = rootOf(folder);
    const { code, stderr } = await runCli(['load', '--root', root, '--shards', String(shards), file]);
    if (code !== 0) throw new Error(stderr);
    const replica = await ServedReplica.start({ root, name: 'fuzzed', more: ['--admin', '127.0.0.1:0'] });
    return new FuzzedServer(folder, seed, replica);
  }

  /** As {@link Attacks.run}. */
  async attack(limit: AttackLimit): Promise<FuzzCounts> {
    const { place, admin } = this.#replica;
    const described = (await (await fetch(`http://${admin}/openapi.json`)).json()) as OpenApi;
    using requests = new FuzzRequests(admin ?? '', this.#random, { described });
    using calls = new FuzzCalls(place, this.#random, this.#offered);
    return await this.#attacks.run(limit, {
      attack: () => this.#attack(calls, requests),
      look: () => this.#checkAlive(),
    });
  }

  async #attack(calls: FuzzCalls, requests: FuzzRequests): Promise<void> {
    const kind = this.#random.below(10);
    if (kind < 5) await calls.call();
    else if (kind < 9) await requests.request();
    else await hostileConnection(this.#replica.place, this.#random);
  }

  /** It answers as before to those who ask properly. */
  async #checkAlive(): Promise<void> {
    using client = new PeerClient({ place: this.#replica.place, clock: systemClock });
    const listed = (await client.listShards()).shards.filter(({ group }) => group === 'keep');
    if (listed.length !== shards) throw new Error(`it lists ${listed.length} shards`);
    const answer = await fetch(`http://${this.#replica.admin}/v1/properties/keep/n/7`);
    const { property } = (await answer.json()) as { property: { id: string } };
    if (property.id !== '7') throw new Error(`it gives ${JSON.stringify(property)}`);
  }

  /** Ends it, and looks at what it left: its exit code, its log, its data. */
  async finish(): Promise<void> {
    try {
      checkEnd(await this.#replica.stop());
      const allowed = new Map(this.#before);
      for (const { key, source, deleteTime } of this.#offered)
        allowed.set(key.toString('hex'), `${deleteTime} ${source}`);
      const after = contentOf(rootOf(this.#folder), 'keep', shards);
      for (const [key, text] of after) {
        if (allowed.get(key) !== text) throw new Error(`nobody asked for ${text}`);
      }
      for (const key of this.#before.keys()) {
        if (!after.has(key)) throw new Error(`${key} is gone`);
      }
      await checkSound(rootOf(this.#folder), 'keep');
    } catch (error) {
      throw new Error(`seed ${this.#seed}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#replica[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function rootOf(folder: string): string {
  return join(folder, 'root');
}
