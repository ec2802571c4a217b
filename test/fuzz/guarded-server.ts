/**
 * A `serve` process with TLS and tokens at its admin endpoint and at PropertyService, attacked from a seed by callers
 * who may not do what they ask for. What holds all the while: it lives, its memory is bounded, it does what those ask
 * who may, gives nobody else anything, and changes nothing but what one who may write has asked to be changed.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { request } from 'node:https';
import { json } from 'node:stream/consumers';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PropertyService } from '../../src/banyandb/generated/banyandb/property/v1/rpc_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { PeerConnection } from '../../src/peer/peer-connection.ts';
import { TlsFiles } from '../../src/peer/tls.ts';
import { joinEntity, parseEntityKey } from '../../src/property/entity.ts';
import { makeAuthority, writeCertificate } from '../support/certificates.ts';
import { propertyRecord, runCli, writeRecords } from '../support/run-cli.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { ServedReplica } from '../support/served-replica.ts';
import { type AttackLimit, Attacks, type FuzzCounts } from './attacks.ts';
import { hostileCredential, tokens } from './credentials.ts';
import { hostileTls } from './fuzz-connections.ts';
import { FuzzPropertyCalls } from './fuzz-property-calls.ts';
import { FuzzRequests, type OpenApi } from './fuzz-requests.ts';
import { checkEnd, checkSound, contentOf } from './served-checks.ts';

const groups = ['app', 'keep'];

/** Written now and then by one who may. */
const alive = { group: 'app', name: 'alive', id: 'a' };

export class GuardedServer implements AsyncDisposable {
  readonly #folder: string;
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #replica: ServedReplica;
  readonly #calls: FuzzPropertyCalls;
  readonly #before: ReadonlyMap<string, string>;
  readonly #attacks: Attacks;

  private constructor(folder: string, seed: number, replica: ServedReplica) {
    this.#folder = folder;
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#replica = replica;
    this.#attacks = new Attacks({ seed, replica });
    this.#calls = new FuzzPropertyCalls(replica.property ?? '', this.#random);
    this.#before = entitiesOf(folder);
  }

  static async start(seed: number): Promise<GuardedServer> {
    const folder = mkdtempSync(join(tmpdir(), 'tallystick-fuzz-'));
    const authority = await makeAuthority('authority');
    writeFileSync(join(folder, 'ca.crt'), authority.cert);
    await writeCertificate(folder, 'fuzzed', authority);
    const records = groups.flatMap((group) =>
      Array.from({ length: 50 }, (_, id) => propertyRecord(`${group}/n/${id}`, 5, { value: `v${id}` })),
    );
    const file = writeRecords(folder, 'records.ndjson', records);
    const { code, stderr } = await runCli(['load', '--root', rootOf(folder), file]);
    if (code !== 0) throw new Error(stderr);
    const settings = join(folder, 'fuzzed.yaml');
    const tls = `  tls: { cert: ${join(folder, 'fuzzed.crt')}, key: ${join(folder, 'fuzzed.key')} }`;
    const known = Object.entries(tokens).map(
      ([role, token]) => `{ name: ${role}, role: ${role}, token: ${token} }`,
    );
    const lines = ['property:', '  listen: 127.0.0.1:0', tls, 'admin:', '  listen: 127.0.0.1:0', tls];
    writeFileSync(settings, [...lines, `  tokens: [${known.join(', ')}]`, ''].join('\n'));
    const more = ['--config', settings];
    return new GuardedServer(
      folder,
      seed,
      await ServedReplica.start({ root: rootOf(folder), name: 'guarded', more }),
    );
  }

  /** As {@link Attacks.run}. */
  async attack(limit: AttackLimit): Promise<FuzzCounts> {
    const { admin } = this.#replica;
    const described = (await this.#operator('/openapi.json')) as OpenApi;
    using requests = new FuzzRequests(admin ?? '', this.#random, {
      ...{ described, guard: { credential: hostileCredential } },
    });
    return await this.#attacks.run(limit, {
      attack: () => this.#attack(requests),
      look: () => this.#checkAlive(),
    });
  }

  async #attack(requests: FuzzRequests): Promise<void> {
    const { admin, property } = this.#replica;
    const kind = this.#random.below(10);
    if (kind < 4) await this.#calls.call();
    else if (kind < 8) await requests.request();
    else await hostileTls(this.#random.pick([admin ?? '', property ?? '']), this.#random);
  }

  /** It does as before what those ask who may, and nobody else gave an order. */
  async #checkAlive(): Promise<void> {
    const { runs } = (await this.#operator('/v1/runs?limit=100')) as { runs: { trigger: string }[] };
    const ordered = runs.filter(({ trigger }) => trigger === 'operator');
    if (ordered.length > 0) throw new Error(`somebody ordered ${JSON.stringify(ordered)}`);
    const { paused } = (await this.#operator('/v1/status')) as { paused: boolean };
    if (paused !== false) throw new Error(`somebody paused it: ${paused}`);
    const caPath = join(this.#folder, 'ca.crt');
    using connection = new PeerConnection({
      ...{ place: this.#replica.property ?? '', clock: systemClock, tls: new TlsFiles({ caPath }) },
    });
    const client = connection.client(PropertyService);
    const value = String(this.#attacks.count);
    const tags = [{ key: 'attacks', value: { value: { case: 'str' as const, value: { value } } } }];
    const { group, name, id } = alive;
    await client.apply({ property: { metadata: { group, name }, id, tags } }, headersOf('writer'));
    const { properties } = await client.query({ groups: [group], name, limit: 1 }, headersOf('viewer'));
    const [tag] = properties[0]?.tags ?? [];
    if (tag?.value?.value.case !== 'str' || tag.value.value.value.value !== value)
      throw new Error(`it answers ${JSON.stringify(properties)}`);
  }

  async #operator(path: string): Promise<unknown> {
    const asked = request(`https://${this.#replica.admin}${path}`, {
      ...{ rejectUnauthorized: false, agent: false },
      headers: headersOf('operator').headers,
    });
    asked.end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return await json(answer);
  }

  /** Ends it, and looks at what it left: its exit code, its log, its data. */
  async finish(): Promise<void> {
    try {
      checkEnd(await this.#replica.stop());
      const asked = this.#calls.asked.add(joinEntity(alive));
      const after = entitiesOf(this.#folder);
      for (const entity of new Set([...this.#before.keys(), ...after.keys()])) {
        if (this.#before.get(entity) === after.get(entity) || asked.has(entity)) continue;
        throw new Error(
          `nobody asked for ${entity}: ${this.#before.get(entity)} became ${after.get(entity)}`,
        );
      }
      for (const group of groups) await checkSound(rootOf(this.#folder), group);
    } catch (error) {
      throw new Error(`seed ${this.#seed}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#calls[Symbol.dispose]();
    await this.#replica[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function headersOf(role: keyof typeof tokens): { headers: { authorization: string } } {
  return { headers: { authorization: `Bearer ${tokens[role]}` } };
}

function rootOf(folder: string): string {
  return join(folder, 'root');
}

/** Delete time and text of every entity. */
function entitiesOf(folder: string): Map<string, string> {
  const entities = new Map<string, string>();
  for (const group of groups) {
    for (const [key, text] of contentOf(rootOf(folder), group, 1))
      entities.set(joinEntity(parseEntityKey(group, Buffer.from(key, 'hex'))), text);
  }
  return entities;
}
