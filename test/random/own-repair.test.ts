/** What an audit foresees of BanyanDB's own repair, held to model nodes that repair each other by its rules. */
import { expect, test } from 'vitest';
import { foreseeOwnRepair } from '../../src/banyandb/own-repair.ts';
import type { StoredVersion } from '../../src/shard-copy/shard-copy.ts';
import { ModelNode } from '../support/model-node.ts';
import { repairRing } from '../support/model-own-repair.ts';
import { type SeededRandom, seededRandom, testSeed } from '../support/seeded-random.ts';
import { makeVersion } from '../support/versions.ts';

const cases = 300;

function randomVersion(random: SeededRandom): StoredVersion | null {
  if (random.chance(0.25)) return null;
  const revision = BigInt(5 + random.below(2));
  const deleteTime = random.chance(0.5) ? 0n : BigInt(10 + random.below(3));
  return makeVersion({ id: 'x', revision, deleteTime });
}

/** Nodes that have these versions, in ring order. */
function nodesOf(versions: readonly (StoredVersion | null)[]): ModelNode[] {
  return versions.map((version, at) => {
    const node = new ModelNode({ name: `node-${at}`, everBuilt: true });
    if (version !== null) node.shard('g', 0).load(version);
    node.build();
    return node;
  });
}

test('wherever a round starts, it leaves what was foreseen on every node', () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let at = 0; at < cases; at++) {
    const versions = Array.from({ length: 2 + random.below(3) }, () => randomVersion(random));
    const foreseen = foreseeOwnRepair(versions);
    if (versions.every((version) => version === null)) continue;
    for (const [start, leaves] of foreseen.leaves.entries()) {
      const nodes = nodesOf(versions);
      repairRing([...nodes.slice(start), ...nodes.slice(0, start)], { group: 'g', shard: 0 });
      const found = nodes.map((node) => {
        const newest = node.shard('g', 0).newest('g/n/x');
        return newest === null ? 'absent' : newest.deleteTime === 0n ? 'live' : 'deleted';
      });
      const told = versions.map((version) => version && [version.revision, version.deleteTime].join('-'));
      expect([`seed ${seed}`, told, start, ...found]).toEqual([
        `seed ${seed}`,
        told,
        start,
        ...nodes.map(() => leaves),
      ]);
    }
    expect(foreseen.undeletes).toBe(
      foreseen.leaves.includes('live') &&
        versions.some((version) => version !== null && version.deleteTime !== 0n && isTop(version, versions)),
    );
  }
});

const isTop = ({ revision }: StoredVersion, versions: readonly (StoredVersion | null)[]): boolean =>
  versions.every((version) => version === null || version.revision <= revision);
