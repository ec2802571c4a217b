/** Verbs over a real BanyanDB cluster, and what shows that its nodes agree beside our own word. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { BanyandbCluster } from './banyandb-cluster.ts';
import { until } from './banyandb-gateway.ts';
import { type CliOptions, type CliResult, type JsonLine, runCli } from './run-cli.ts';

/** Nodes tell their document counts now and then. */
const countsPatience = { timeout: 90_000, interval: 500 };

/** Properties asked for at once: an answer of 10,000 with 2 kB each is more than a liaison gives. */
const queriedMax = 1_000;

export class BanyandbVerbs {
  readonly cluster: BanyandbCluster;
  readonly group: string;

  constructor(cluster: BanyandbCluster, group: string) {
    this.cluster = cluster;
    this.group = group;
  }

  /** Runs a verb over all nodes. */
  async run(verb: string, more: readonly string[] = [], options: CliOptions = {}): Promise<CliResult> {
    const { places, liaison } = this.cluster;
    const named = ['--liaison', liaison, '--group', this.group, '--json'];
    return await runCli([verb, ...places, ...named, ...more], options);
  }

  /** Rounds until one finds nothing that differs and nothing stale: a node builds its tree some seconds after a write. */
  async settledRound(): Promise<CliResult> {
    return await until('a round that finds nothing', async () => {
      const done = await this.run('round');
      const { stale, differing } = summaryOf(done);
      return done.code === 0 && stale === false && differing === 0 ? done : null;
    });
  }

  /** Audits until these nodes' trees hold so many leaves: a tree shows what is written only when it is built. */
  async untilTreesHold(leaves: number, places = this.cluster.places): Promise<void> {
    await until(`trees of ${leaves} leaves`, async () => {
      const held = new Map<string, number>();
      for (const { peers = [] } of (await this.run('audit')).lines) {
        for (const peer of peers) held.set(peer.place, (held.get(peer.place) ?? 0) + (peer.leaves ?? 0));
      }
      return places.every((place) => held.get(place) === leaves) ? true : null;
    });
  }

  /** Audits until the trees show that just these differ; the last says so exactly. */
  async auditOf(differing: readonly string[], more: readonly string[] = []): Promise<CliResult> {
    const wanted = [...differing].sort();
    return await until(`an audit of ${wanted.length} differing`, async () => {
      const audited = await this.run('audit', more);
      return JSON.stringify(idsIn(audited)) === JSON.stringify(wanted) ? audited : null;
    });
  }

  /** What a file-by-file comparison of the nodes' own trees finds; they are copied off the nodes into `folder`. */
  async diffOfFiles(
    folder: string,
  ): Promise<{ readonly codes: readonly number[]; readonly ids: readonly string[] }> {
    const target = mkdtempSync(join(folder, 'trees-'));
    const trees = this.cluster.places.map((place) => this.cluster.copyTrees(place, this.group, target));
    const codes: number[] = [];
    const ids: string[] = [];
    for (const shard of (trees[0] ?? []).keys()) {
      const files = trees.map((ofNode) => ofNode[shard] ?? '');
      const compared = await runCli(['diff', ...files, '--json']);
      codes.push(compared.code);
      ids.push(...idsIn(compared));
    }
    return { codes, ids: ids.sort() };
  }

  /** What queries of the cluster find: of all at once where it is few, else page by page. */
  async #found(ids: readonly string[]): Promise<Map<string, string>> {
    const { gateway } = this.cluster;
    if (ids.length <= queriedMax) return await gateway.query(this.group);
    const found = new Map<string, string>();
    for (let start = 0; start < ids.length; start += queriedMax)
      for (const [id, text] of await gateway.query(this.group, ids.slice(start, start + queriedMax)))
        found.set(id, text);
    return found;
  }

  /**
   * Holds the nodes to their own words: equal tree files, the live properties that a query finds, and that each has just
   * so many documents, so that no id stands twice.
   */
  async expectAgreement(
    folder: string,
    { live, documents }: { readonly live: ReadonlyMap<string, string>; readonly documents: number },
  ): Promise<void> {
    const { places } = this.cluster;
    await expect
      .poll(async () => new Set((await this.diffOfFiles(folder)).codes), countsPatience)
      .toEqual(new Set([0]));
    expect(await this.#found([...live.keys()])).toEqual(new Map(live));
    const counts = (): Promise<number[]> =>
      Promise.all(places.map((place) => this.cluster.documents(place, this.group)));
    await expect.poll(counts, countsPatience).toEqual(places.map(() => documents));
    expect(summaryOf(await this.run('audit'))).toMatchObject({ outcome: 'matched' });
  }
}

export function summaryOf({ last }: CliResult): JsonLine {
  return last?.summary ?? {};
}

/** The ids of all entities that a result names, ascending. */
export function idsIn({ lines }: CliResult, matches: (line: JsonLine) => boolean = () => true): string[] {
  const named = lines.filter((line) => typeof line.entity === 'string' && matches(line));
  return [...new Set(named.map((line): string => line.entity.split('/').slice(2).join('/')))].sort();
}

/** `count` ids that begin with `name`. */
export function idsOf(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${name}-${at}`);
}
