/** Rounds and repairs over BanyanDB nodes, on models of three that had drifted as recorded. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareVersions, type Version } from '../../../src/property/version.ts';
import { joinEntity } from '../../../src/property/entity.ts';
import { type ServedNode, serveNode, type ServeNodeOptions } from '../../support/model-cluster.ts';
import { ModelNode } from '../../support/model-node.ts';
import {
  liveEntities,
  recordedNode,
  ringGroup,
  ringNames,
  ringShards,
  undeletedByBanyandb,
} from '../../support/recorded-ring.ts';
import { runCli, temporaryFolder } from '../../support/run-cli.ts';

let stopping: ServedNode[] = [];

async function serveAll(nodes: readonly ModelNode[], options: ServeNodeOptions = {}): Promise<string[]> {
  const served = await Promise.all(nodes.map((node) => serveNode(node, options)));
  stopping.push(...served);
  return served.map(({ place }) => place);
}

afterEach(async () => {
  await Promise.all(stopping.map((served) => served.stop()));
  stopping = [];
});

// What was recorded is years older, or younger, than deletes are kept; that has tests of its own.
const common = ['--push-rate', '0', '--bring-old', '--json'];

/** The greatest version of each entity over all nodes. */
function greatest(nodes: readonly ModelNode[]): Map<string, Version> {
  const found = new Map<string, Version>();
  for (const node of nodes) {
    for (const shard of ringShards) {
      for (const { property, deleteTime, digest } of node.shard(ringGroup, shard).documents) {
        const version = { revision: property.modRevision, deleteTime, digest: Buffer.from(digest, 'hex') };
        const known = found.get(joinEntity(property));
        if (known === undefined || compareVersions(version, known) > 0)
          found.set(joinEntity(property), version);
      }
    }
  }
  return found;
}

function expectConverged(nodes: readonly ModelNode[], expected: ReadonlyMap<string, Version>): void {
  for (const node of nodes) {
    for (const [entity, { revision, deleteTime }] of expected) {
      const has = ringShards
        .map((shard) => node.shard(ringGroup, shard).newest(entity))
        .find((one) => one !== null);
      expect([entity, has?.property.modRevision, has?.deleteTime]).toEqual([entity, revision, deleteTime]);
    }
    for (const shard of ringShards) {
      const ids = node.shard(ringGroup, shard).documents.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    }
  }
  for (const shard of ringShards) {
    for (const node of nodes) node.shard(ringGroup, shard).build();
    expect(new Set(nodes.map((node) => node.shard(ringGroup, shard).tree?.root)).size).toBe(1);
  }
}

describe('the recorded ring', () => {
  let nodes: ModelNode[];
  let places: string[];
  const named = ['--group', ringGroup, '--shards', '2'];
  beforeEach(async () => {
    nodes = ringNames.map((name) => recordedNode(name));
    places = await serveAll(nodes);
  });

  test('an audit names what differs and writes nothing', async () => {
    const before = nodes.map((node) => ringShards.map((shard) => node.shard(ringGroup, shard).documents));
    const { code, lines } = await runCli(['audit', ...places, ...named, '--json']);
    expect(code).toBe(1);
    expect(lines.at(-1)).toMatchObject({ summary: { outcome: 'differs' } });
    expect(lines[0]).toMatchObject({
      group: ringGroup,
      shard: 0,
      peers: ringNames.map((name) => ({ name, kind: 'banyandb' })),
    });
    expect(nodes.map((node) => ringShards.map((shard) => node.shard(ringGroup, shard).documents))).toEqual(
      before,
    );
    expect(nodes.map((node) => node.shards)).toEqual(nodes.map(() => [`${ringGroup}/0`, `${ringGroup}/1`]));
  });

  test('an audit of values says first which deletes would come back, and who wins', async () => {
    const { code, lines } = await runCli(['audit', ...places, ...named, '--values', '--json']);
    expect(code).toBe(1);
    const entities = lines.filter((line) => 'entity' in line);
    const undone = entities.filter((line) => (line['ownRepair'] as { undeletes: boolean }).undeletes);
    expect(undone.map(({ entity }) => entity)).toEqual(expect.arrayContaining([...undeletedByBanyandb]));
    for (const line of undone) expect(line['winner']).not.toMatchObject({ deleteTime: '0' });
    expect(lines.at(-1)).toMatchObject({
      summary: { undeletes: undone.length, otherSpelling: 0, differing: entities.length },
    });
  });

  test('a round leaves the greatest versions everywhere: no delete comes back, no id stands twice', async () => {
    const expected = greatest(nodes);
    const first = await runCli(['round', ...places, ...named, ...common]);
    expect(first.code).toBe(0);
    expect(first.lines.at(-1)).toMatchObject({ summary: { outcome: 'converged', failed: 0 } });
    expectConverged(nodes, expected);
    for (const node of nodes) {
      const live = liveEntities(node);
      for (const entity of undeletedByBanyandb) expect(live).not.toContain(entity);
    }
    const second = await runCli(['round', ...places, ...named, ...common]);
    expect(second.lines.at(-1)).toMatchObject({
      summary: { outcome: 'converged', differing: 0, shipped: 0 },
    });
  });

  test('a dry run changes nothing, and its plan is carried out', async () => {
    const expected = greatest(nodes);
    const plan = join(temporaryFolder(), 'plan');
    const dry = await runCli(['round', ...places, ...named, ...common, '--dry-run', '--plan', plan]);
    expect(dry.code).toBe(1);
    expect(stopping.every(({ requests }) => requests.get('propertySync') === undefined)).toBe(true);
    const done = await runCli(['round', ...places, ...named, ...common, '--plan', plan]);
    expect(done.code).toBe(0);
    expectConverged(nodes, expected);
  });

  test('a copy of our own beside the ring holds the same, and fills a node that was emptied', async () => {
    const root = temporaryFolder();
    await runCli(['round', ...places, ...named, ...common]);
    const repaired = await runCli(['repair', ...places, root, ...named, ...common]);
    expect(repaired.lines.at(-1)).toMatchObject({
      summary: { outcome: 'repaired', failed: 0, differing: 108 },
    });
    const inspected = await runCli(['inspect', root, '--json']);
    const roots = inspected.lines.filter((line) => 'root' in line).map((line) => line['root']);
    expect(roots).toEqual(ringShards.map((shard) => nodes[0]?.shard(ringGroup, shard).tree?.root));
    const emptied = new ModelNode({ name: 'emptied', everBuilt: true });
    const [place = ''] = await serveAll([emptied]);
    const filled = await runCli(['repair', root, place, ...named, ...common]);
    expect(filled.lines.at(-1)).toMatchObject({
      summary: { outcome: 'repaired', changed: 108, failed: 0, pushRate: 0 },
    });
    expectConverged([...nodes, emptied], greatest(nodes));
  });

  test('a node that is gone is named, the rest converge, and it does so when it is back', async () => {
    const expected = greatest(nodes);
    await stopping[2]?.stop();
    const { code, lines } = await runCli(['round', ...places, ...named, ...common]);
    expect(code).toBe(3);
    expect(lines.at(-1)).toMatchObject({ summary: { outcome: 'inconclusive', failed: 0 } });
    const audited = await runCli(['audit', ...places, ...named, '--json']);
    // What it is nobody can say while it does not answer.
    expect(audited.lines[0]?.['peers']).toMatchObject([
      { kind: 'banyandb', error: null },
      { kind: 'banyandb', error: null },
      { place: places[2], kind: null },
    ]);
    const [back = ''] = await serveAll([nodes[2] as ModelNode]);
    const again = await runCli(['round', ...places.slice(0, 2), back, ...named, ...common]);
    expect(again.code).toBe(0);
    expectConverged(nodes, expected);
  });

  test('a node that has no tree yet is named, the rest converge, and it is filled once it has built one', async () => {
    const expected = greatest(nodes);
    const emptied = new ModelNode({ name: 'emptied' });
    const [place = ''] = await serveAll([emptied]);
    const all = [...places, place];
    const { code, last } = await runCli(['round', ...all, ...named, ...common]);
    expect(code).toBe(3);
    expect(last).toMatchObject({
      summary: {
        outcome: 'inconclusive',
        reason: expect.stringMatching(
          /has no tree of group seal3, shard 0 yet; its own build makes one/,
        ) as unknown,
        copies: [
          ...places.map(() => ({ outcome: 'converged' })),
          { place, outcome: 'inconclusive', changed: 0 },
        ],
      },
    });
    expectConverged(nodes, expected);
    emptied.build();
    expect((await runCli(['round', ...all, ...named, ...common])).code).toBe(0);
    expectConverged([...nodes, emptied], expected);
  });

  test('without a group, its shards and a liaison nothing is asked of a node', async () => {
    const { lines } = await runCli(['round', ...places, ...common]);
    expect(JSON.stringify(lines)).toMatch(/--group and --shards, or give --liaison/);
    expect(stopping.every(({ requests }) => requests.size === 0)).toBe(true);
  });
});
