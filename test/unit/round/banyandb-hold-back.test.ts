/** What is not sent to a BanyanDB node: a dry run, a plan and a round name it alike, with what would help. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseSource } from '../../../src/property/source-json.ts';
import { type ServedNode, serveNode } from '../../support/model-cluster.ts';
import { ModelNode } from '../../support/model-node.ts';
import { type JsonLine, runCli, temporaryFolder } from '../../support/run-cli.ts';
import { makeVersion } from '../../support/versions.ts';

const now = BigInt(Date.now()) * 1_000_000n;
const day = 86_400_000_000_000n;
const named = ['--group', 'g', '--shards', '1', '--push-rate', '0', '--json'];

let served: ServedNode[];
let nodes: [ModelNode, ModelNode];

beforeEach(async () => {
  nodes = [new ModelNode({ name: 'a' }), new ModelNode({ name: 'b' })];
  served = await Promise.all(nodes.map((node) => serveNode(node)));
});

afterEach(async () => {
  await Promise.all(served.map((node) => node.stop()));
});

const places = (): string[] => served.map(({ place }) => place);
const pushed = (): number =>
  served.reduce((sum, { requests }) => sum + (requests.get('propertySync') ?? 0), 0);

/** Writes to node `at` what is `text` in its tags, at a revision `age` days ago. */
function write(at: 0 | 1, id: string, text: string, age = 1n): void {
  const metadata = `"metadata":{"group":"g","name":"n","modRevision":"${now - age * day}"}`;
  nodes[at].shard('g', 0).write(parseSource(`{${metadata},"id":"${id}","tags":[${text}]}`));
}

const text = (value: string): string => `{"key":"t","value":{"str":{"value":"${value}"}}}`;

/** Of every kind one: what would help is in its pattern. */
const kinds: readonly (readonly [id: string, reason: RegExp])[] = [
  ['ints', /empty array of integers.*; write it anew as null$/],
  ['no-value', /has no value.*; write it anew with a value or null$/],
  ['empty-value', /has no value.*; write it anew with a value or null$/],
  ['tied', /same revision and delete time.*; write it anew through the cluster$/],
  ['old', /older than the cluster keeps deletes.*; --bring-old brings it all the same$/],
];

function drift(): void {
  for (const at of [0, 1] as const) write(at, 'same', text('both'));
  write(0, 'ints', '{"key":"t","value":{"intArray":{}}}');
  write(0, 'no-value', '{"key":"t"}');
  write(0, 'empty-value', '{"key":"t","value":{}}');
  write(0, 'tied', text('x'));
  write(1, 'tied', text('y'));
  write(0, 'old', text('may have been deleted'), 8n);
  write(0, 'good', text('sent'));
  for (const node of nodes) node.build();
}

const byEntity = (lines: readonly JsonLine[]): Map<string, JsonLine> =>
  new Map(lines.flatMap((line) => ('entity' in line ? [[String(line['entity']), line]] : [])));

const reasons = (lines: readonly JsonLine[]): string[] =>
  [...byEntity(lines).values()]
    .map(({ entity, place, result, reason }) => JSON.stringify([entity, place, result, reason]))
    .filter((line) => line.includes('held back'))
    .sort();

test('a dry run names what is held back, with what would help, and not as planned', async () => {
  drift();
  const { code, lines } = await runCli(['round', ...places(), ...named, '--dry-run']);
  expect(code).toBe(1);
  const found = byEntity(lines);
  for (const [id, reason] of kinds) {
    expect(found.get(`g/n/${id}`)).toMatchObject({
      result: 'held back',
      reason: expect.stringMatching(reason),
    });
  }
  expect(found.get('g/n/good')).toMatchObject({ result: 'planned' });
  expect(found.size).toBe(kinds.length + 1);
  expect(lines.at(-1)).toMatchObject({
    summary: { outcome: 'differs', differing: 6, failed: 5, heldBack: 5, shipped: 0 },
  });
  expect(pushed()).toBe(0);
});

test('a round holds back the same for the same reasons, sends the rest, and ends as failed', async () => {
  drift();
  const dry = await runCli(['round', ...places(), ...named, '--dry-run']);
  const done = await runCli(['round', ...places(), ...named]);
  expect(done.code).toBe(2);
  expect(reasons(done.lines)).toEqual(reasons(dry.lines));
  expect(reasons(done.lines)).toHaveLength(kinds.length);
  expect(byEntity(done.lines).get('g/n/good')).toMatchObject({ result: 'changed' });
  const summary = {
    outcome: 'failed',
    reason: '5 changes are held back',
    changed: 1,
    heldBack: 5,
    shipped: 1,
  };
  expect(done.lines.at(-1)).toMatchObject({ summary });
  expect(pushed()).toBe(1);
});

test('a plan keeps what is held back, and whoever carries it out is told again', async () => {
  drift();
  const plan = join(temporaryFolder(), 'plan');
  const dry = await runCli(['round', ...places(), ...named, '--dry-run', '--plan', plan]);
  // The plan was looked at; an option given later changes nothing of it.
  const done = await runCli(['round', ...places(), ...named, '--plan', plan, '--bring-old']);
  expect(done.code).toBe(2);
  expect(reasons(done.lines)).toEqual(reasons(dry.lines));
  expect(done.lines.at(-1)).toMatchObject({ summary: { outcome: 'failed', changed: 1, heldBack: 5 } });
  expect(nodes[1].shard('g', 0).newest('g/n/old')).toBeNull();
});

test('what the operator allows is planned, and sent', async () => {
  write(0, 'old', text('is known to be wanted'), 8n);
  write(1, 'other', text('x'));
  for (const node of nodes) node.build();
  const dry = await runCli(['round', ...places(), ...named, '--dry-run', '--bring-old']);
  expect(byEntity(dry.lines).get('g/n/old')).toMatchObject({ result: 'planned' });
  const done = await runCli(['round', ...places(), ...named, '--delete-expiry', '9']);
  expect(done.code).toBe(0);
  expect(nodes[1].shard('g', 0).newest('g/n/old')).not.toBeNull();
});

test('what a data root would bring to a node is looked at too', async () => {
  const root = temporaryFolder();
  const file = join(temporaryFolder(), 'records.ndjson');
  const record = (id: string, tag: string, age: bigint): string =>
    `{"metadata":{"group":"g","name":"n","modRevision":"${now - age * day}"},"id":"${id}","tags":[${tag}]}\n`;
  const ints = '{"key":"t","value":{"intArray":{}}}';
  writeFileSync(
    file,
    [record('ints', ints, 1n), record('old', text('x'), 8n), record('good', text('y'), 1n)].join(''),
  );
  expect((await runCli(['load', '--root', root, file])).code).toBe(0);
  nodes[0].shard('g', 0).write(parseSource(makeVersion({ id: 'there', revision: now }).source));
  nodes[0].build();
  const [place = ''] = places();
  const dry = await runCli(['repair', root, place, ...named, '--dry-run']);
  expect(reasons(dry.lines)).toHaveLength(2);
  expect(byEntity(dry.lines).get('g/n/good')).toMatchObject({ result: 'planned', place });
  const done = await runCli(['repair', root, place, ...named]);
  expect(reasons(done.lines)).toEqual(reasons(dry.lines));
  expect(done.lines.at(-1)).toMatchObject({ summary: { outcome: 'failed', changed: 2, heldBack: 2 } });
  expect(pushed()).toBe(1);
});

test('a name with a slash is held back by a dry run too', async () => {
  for (const [at, node] of nodes.entries()) {
    const odd = { ...parseSource(makeVersion({ id: 'x', revision: now + BigInt(at) }).source), name: 'a/b' };
    node.shard('g', 0).write(odd);
    node.build();
  }
  const dry = await runCli(['round', ...places(), ...named, '--dry-run']);
  const done = await runCli(['round', ...places(), ...named]);
  expect(reasons(dry.lines)).toHaveLength(1);
  expect(reasons(dry.lines)[0]).toMatch(/name holds a slash.*write it anew under another name/);
  expect(reasons(done.lines)).toEqual(reasons(dry.lines));
  expect(done.code).toBe(2);
  expect(pushed()).toBe(0);
});
