/** The HTTP door of a real BanyanDB's liaison, as an application of the cluster uses it: schema, writes, queries. */
import { setTimeout as sleep } from 'node:timers/promises';

/** How long the cluster may take for what is waited for: a node that comes back is noticed after up to a minute. */
const patienceMs = 180_000;

/** Between two looks. */
const lookMs = 250;

type Json = Record<string, unknown>;

/** Tries `work` until it gives something other than null. */
export async function until<T>(what: string, work: () => Promise<T | null>, waitMs = patienceMs): Promise<T> {
  const endsMs = performance.now() + waitMs;
  for (;;) {
    const done = await work();
    if (done !== null) return done;
    if (performance.now() > endsMs) throw new Error(`waited ${waitMs} ms in vain: ${what}`);
    await sleep(lookMs);
  }
}

export class BanyandbGateway {
  readonly #address: string;

  /** `address` is HOST:PORT of the liaison's HTTP. */
  constructor(address: string) {
    this.#address = address;
  }

  /** Makes a group of properties named `p` with a tag `s`, `copies` of each shard, and one entity `first`. */
  async makeGroup(group: string, shards: number, copies = 3): Promise<void> {
    const metadata = { name: group };
    const settings = { shard_num: shards, replicas: copies - 1 };
    const schema = { metadata, catalog: 'CATALOG_PROPERTY', resource_opts: settings };
    await until('a group', () => this.#call('POST', '/group/schema', { group: schema }));
    const property = { metadata: { group, name: 'p' }, tags: [{ name: 's', type: 'TAG_TYPE_STRING' }] };
    await until('a schema', () => this.#call('POST', '/property/schema', { property }));
    await this.write(group, 'first', 'x');
  }

  /** Resolves when one copy has it, as the cluster promises. */
  async write(group: string, id: string, text: string): Promise<void> {
    const tags = [{ key: 's', value: { str: { value: text } } }];
    const property = { metadata: { group, name: 'p' }, id, tags };
    await until(`the write of ${id}`, () =>
      this.#call('PUT', `/property/data/${group}/p/${id}`, { property, strategy: 'STRATEGY_REPLACE' }),
    );
  }

  async writeAll(group: string, ids: readonly string[], text: string): Promise<void> {
    await someAtOnce(ids, (id) => this.write(group, id, text));
  }

  async remove(group: string, id: string): Promise<void> {
    await until(`the delete of ${id}`, () => this.#call('DELETE', `/property/data/${group}/p/${id}`));
  }

  async removeAll(group: string, ids: readonly string[]): Promise<void> {
    await someAtOnce(ids, (id) => this.remove(group, id));
  }

  /** Ids and texts of the live properties that a query of the cluster finds, of all or of those with these ids. */
  async query(group: string, ids: readonly string[] = []): Promise<Map<string, string>> {
    const answer = await until('a query', () =>
      this.#call('POST', '/property/data/query', { groups: [group], name: 'p', ids, limit: 100_000 }),
    );
    const found = (answer['properties'] ?? []) as { id: string; tags: { value: Json }[] }[];
    const texts = found.map(({ id, tags }): [string, string] => {
      const value = tags[0]?.value['str'] as { value: string } | undefined;
      return [id, value?.value ?? ''];
    });
    return new Map(texts);
  }

  /** Names of the data nodes that the liaison writes to. */
  async activeNodes(): Promise<readonly string[]> {
    const state = await until('the cluster state', () => this.#call('GET', '/cluster/state'));
    const tables = Object.values(state['routeTables'] as Record<string, { active: string[] }>);
    return tables.flatMap(({ active }) => active);
  }

  async #call(method: string, path: string, body?: object): Promise<Json | null> {
    try {
      const headers = { 'Content-Type': 'application/json' };
      const signal = AbortSignal.timeout(20_000);
      const url = `http://${this.#address}/api/v1${path}`;
      const answer = await fetch(url, { method, headers, signal, body: body ? JSON.stringify(body) : null });
      const json = (await answer.json()) as Json;
      return answer.ok ? json : null;
    } catch {
      // Not there yet, or not all of it: whoever calls tries again.
      return null;
    }
  }
}

/** Calls at once towards the liaison: more make it no faster. */
const callsAtOnce = 32;

async function someAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: callsAtOnce }, worker));
}
