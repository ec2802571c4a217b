/** Rounds and audits over BanyanDB nodes that spell otherwise, and over trees that are old. */
import { hash } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { parseSource } from '../../../src/property/source-json.ts';
import { type ServedNode, serveNode } from '../../support/model-cluster.ts';
import { ModelNode } from '../../support/model-node.ts';
import { runCli } from '../../support/run-cli.ts';
import { makeVersion } from '../../support/versions.ts';

let stopping: ServedNode[] = [];

async function serveAll(nodes: readonly ModelNode[]): Promise<string[]> {
  const served = await Promise.all(nodes.map((node) => serveNode(node)));
  stopping.push(...served);
  return served.map(({ place }) => place);
}

afterEach(async () => {
  await Promise.all(stopping.map((served) => served.stop()));
  stopping = [];
});

const digestOf = (id: number): string => hash('sha512', String(id));

const common = ['--push-rate', '0', '--bring-old', '--json'];

describe('nodes that spell otherwise, and trees that are old', () => {
  const named = ['--group', 'g', '--shards', '1'];
  const fill = (node: ModelNode, count: number): void => {
    for (let at = 0; at < count; at++) {
      node.shard('g', 0).write(parseSource(makeVersion({ id: `e${at}`, revision: 10n }).source));
    }
    node.build();
  };

  test('the same content spelled otherwise is counted and nothing is pushed', async () => {
    const nodes = [new ModelNode({ name: 'a' }), new ModelNode({ name: 'b', spelling: 'spaced' })];
    for (const node of nodes) fill(node, 40);
    const places = await serveAll(nodes);
    const { code, lines } = await runCli(['round', ...places, ...named, ...common]);
    expect(code).toBe(0);
    expect(lines.at(-1)).toMatchObject({
      summary: { outcome: 'converged', differing: 0, otherSpelling: 40, shipped: 0 },
    });
    const audited = await runCli(['audit', ...places, ...named, '--values', '--json']);
    expect(audited.lines.at(-1)).toMatchObject({
      summary: { outcome: 'matched', differing: 0, otherSpelling: 40 },
    });
  });

  test('a tree that is behind is said to be, and is no difference', async () => {
    const nodes = [new ModelNode({ name: 'a' }), new ModelNode({ name: 'b' })];
    for (const node of nodes) fill(node, 20);
    const later = parseSource(makeVersion({ id: 'e1', revision: 11n }).source);
    for (const node of nodes) node.shard('g', 0).write(later);
    nodes[0]?.build();
    const { code, lines } = await runCli(['round', ...(await serveAll(nodes)), ...named, ...common]);
    expect(code).toBe(0);
    expect(lines.at(-1)).toMatchObject({
      summary: {
        outcome: 'converged',
        stale: true,
        differing: 0,
        otherSpelling: 0,
        shipped: 0,
        copies: [{ awaitsBuild: [] }, { awaitsBuild: [{ group: 'g', shard: 0 }] }],
      },
    });
    nodes[1]?.build();
    const places = stopping.map(({ place }) => place);
    const after = await runCli(['round', ...places, ...named, ...common]);
    expect(after.lines.at(-1)).toMatchObject({
      summary: { stale: false, copies: [{ awaitsBuild: [] }, { awaitsBuild: [] }] },
    });
  });

  test('a comparison of trees says that they are of their last build, where they differ', async () => {
    const nodes = [new ModelNode({ name: 'a' }), new ModelNode({ name: 'b' })];
    for (const node of nodes) fill(node, 3);
    const places = await serveAll(nodes);
    const equal = await runCli(['audit', ...places, ...named, '--json']);
    expect(equal.code).toBe(0);
    expect(equal.stderr).not.toMatch(/last build/);
    for (const node of nodes) {
      node.shard('g', 0).write(parseSource(makeVersion({ id: 'e1', revision: 11n }).source));
    }
    nodes[0]?.build();
    const behind = await runCli(['audit', ...places, ...named, '--json']);
    expect(behind.code).toBe(1);
    expect(behind.stderr).toMatch(/as of their last build; --values reads what differs as it is now/);
    const read = await runCli(['audit', ...places, ...named, '--values', '--json']);
    expect(read).toMatchObject({ code: 0, last: { summary: { outcome: 'matched', stale: true } } });
  });

  test('a node that took all but could not end it has its tree to build', async () => {
    const [a, b] = [new ModelNode({ name: 'a' }), new ModelNode({ name: 'b', everBuilt: true })];
    fill(a, 3);
    let pushed = false;
    const served = [
      await serveNode(a),
      await serveNode(b, {
        onRequest: ({ data }) => {
          pushed ||= data.case === 'propertySync';
        },
        tamper: (answers, request) => {
          if (pushed && request === null) throw new Error('the build failed');
          return answers;
        },
      }),
    ];
    stopping.push(...served);
    const done = await runCli(['round', ...served.map(({ place }) => place), ...named, ...common]);
    expect(done.lines.at(-1)).toMatchObject({
      summary: {
        outcome: 'converged',
        changed: 3,
        copies: [{ awaitsBuild: [] }, { changed: 3, awaitsBuild: [{ group: 'g', shard: 0 }] }],
      },
    });
  });

  test('a name with a slash, which no node finds, is named and held back', async () => {
    const nodes = [new ModelNode({ name: 'a' }), new ModelNode({ name: 'b' })];
    for (const [at, node] of nodes.entries()) {
      fill(node, 5);
      const odd = {
        ...parseSource(makeVersion({ id: 'x', revision: 20n + BigInt(at) }).source),
        name: 'a/b',
      };
      node.shard('g', 0).write(odd);
      node.build();
    }
    const { code, lines } = await runCli(['round', ...(await serveAll(nodes)), ...named, ...common]);
    expect(code).toBe(2);
    expect(lines.find((line) => line['entity'] === 'g/a/b/x')).toMatchObject({ result: 'held back' });
  });

  test('a delete that lands between our fetch and our push is not undone after the next round', async () => {
    const [a, b] = [new ModelNode({ name: 'a' }), new ModelNode({ name: 'b', everBuilt: true })];
    fill(a, 3);
    const property = parseSource(makeVersion({ id: 'e1', revision: 10n }).source);
    // The write and its delete reach b when our push of e1 is already on its way.
    let raced = false;
    const served = [
      await serveNode(a),
      await serveNode(b, {
        onRequest: ({ data }) => {
          if (raced || data.case !== 'propertySync' || data.value.property?.id !== 'e1') return;
          raced = true;
          b.shard('g', 0).write(property);
          b.shard('g', 0).remove(property, 99n);
          a.shard('g', 0).remove(property, 98n);
        },
      }),
    ];
    stopping.push(...served);
    const places = served.map(({ place }) => place);
    await runCli(['round', ...places, ...named, ...common]);
    a.build();
    const again = await runCli(['round', ...places, ...named, ...common]);
    expect(again.code).toBe(0);
    expect([a, b].map((node) => node.shard('g', 0).newest('g/n/e1')?.deleteTime)).not.toContain(0n);
  });

  test('what a node has beyond its tree decides: a delete that its tree lacks reaches the others at once', async () => {
    const [a, b] = [new ModelNode({ name: 'a' }), new ModelNode({ name: 'b', everBuilt: true })];
    fill(a, 3);
    const property = parseSource(makeVersion({ id: 'e1', revision: 10n }).source);
    b.shard('g', 0).write(property);
    b.shard('g', 0).remove(property, 77n);
    const { code } = await runCli(['round', ...(await serveAll([a, b])), ...named, ...common]);
    expect(code).toBe(0);
    expect([a, b].map((node) => node.shard('g', 0).newest('g/n/e1')?.deleteTime)).toEqual([77n, 77n]);
  });

  test('nodes stand in the ring by their names, in whatever order they are given', async () => {
    const nodes = ['a', 'b', 'c'].map((name) => new ModelNode({ name }));
    const [a, b, c] = nodes as [ModelNode, ModelNode, ModelNode];
    for (const node of nodes) fill(node, 2);
    const property = parseSource(makeVersion({ id: 'x', revision: 20n }).source);
    for (const node of [b, c]) node.shard('g', 0).write(property);
    c.shard('g', 0).remove(property, 77n);
    for (const node of [a, b, c]) node.build();
    const places = await serveAll(nodes);
    // From a the round comes to b first, which missed the delete.
    const starts = places.slice(0, 2);
    for (const given of [places, places.toReversed()]) {
      const { lines } = await runCli(['audit', ...given, ...named, '--values', '--json']);
      expect(lines.find(({ entity }) => entity === 'g/n/x')).toMatchObject({
        ownRepair: { undeletes: true, startedAt: starts },
      });
    }
  });

  test('a page of leaves beyond the ceiling is named with what would help, and read when that is raised', async () => {
    const nodes = ['a', 'b'].map((name) => new ModelNode({ name, slots: 1 }));
    for (const [at, node] of nodes.entries()) {
      const shard = node.shard('g', 0);
      for (let id = at; id < 8_000; id++) {
        const property = parseSource(makeVersion({ id: `e${id}`, revision: 10n }).source);
        shard.documents.push({ id: `g/n/e${id}/10`, property, deleteTime: 0n, digest: digestOf(id) });
      }
      node.build();
    }
    const places = await serveAll(nodes);
    const small = await runCli(['audit', ...places, ...named, '--json', '--page-max', '1']);
    expect(small.code).toBe(3);
    expect(JSON.stringify(small.last)).toMatch(/--page-max/);
    const read = await runCli(['audit', ...places, ...named, '--json', '--page-max', '2']);
    expect(read).toMatchObject({ code: 1, last: { summary: { differing: 1 } } });
  });
});
