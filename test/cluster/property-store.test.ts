/** Three hosts with one program each are a small replicated property store: written at one, read at all, whoever dies. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Door, httpDoor } from '../support/property-doors.ts';
import { runCli } from '../support/run-cli.ts';
import { Cluster, type Json } from '../support/running-service.ts';
import { ServeChild } from '../support/serve-child.ts';

// A test starts processes; a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const entity = (id: string) => ({ group: 'app', name: 'settings', id });
const text = (key: string, value: string) => ({ key, value: { str: { value } } });

let cluster: Cluster;
const replicas: ServeChild[] = [];

const door = (at: number): Door => httpDoor(replicas[at]?.ready.admin ?? '');
const places = () => replicas.map(({ ready }) => ready.listen);

async function start(at: number, listen = '127.0.0.1:0'): Promise<void> {
  const argv = ['--root', cluster.root(`${at}`), '--name', `replica-${at}`, '--listen', listen];
  const variables = { TALLYSTICK_ROUND_MODE: 'off', TALLYSTICK_LOG_LEVEL: 'warn' };
  replicas[at] = await ServeChild.start(
    [
      ...argv,
      '--admin',
      '127.0.0.1:0',
      ...['nodes', 'config'].flatMap((name) => [`--${name}`, fileOf(name)]),
    ],
    variables,
  );
}

const fileOf = (name: string): string => join(cluster.directory, `${name}.yaml`);

beforeAll(async () => {
  cluster = await Cluster.create();
  writeFileSync(fileOf('config'), 'groups: [{ group: app, shards: 2 }]\n');
  writeFileSync(fileOf('nodes'), 'nodes: []\n');
  await Promise.all([0, 1, 2].map((at) => start(at)));
  const nodes = places().map((place, at) => `  - { name: replica-${at}, grpc_address: "${place}" }\n`);
  writeFileSync(fileOf('nodes'), `nodes:\n${nodes.join('')}`);
});

afterAll(async () => {
  for (const replica of replicas) await replica[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

/** The live properties of the group at each replica, by id. */
async function everywhere(): Promise<Json[]> {
  return await Promise.all(
    replicas.map(async (_, at) => {
      const { body } = await door(at).query({ groups: ['app'], limit: 1_000 });
      return Object.fromEntries(body.properties.map((property: Json) => [property.id, property]));
    }),
  );
}

async function expectRound(): Promise<void> {
  const { last } = await runCli(['round', ...places(), '--json']);
  expect(last.summary).toMatchObject({ outcome: 'converged', failed: 0 });
}

/** Waits until every replica answers alike. */
async function expectAlike(check: (found: Json) => void): Promise<void> {
  await vi.waitFor(
    async () => {
      const found = await everywhere();
      for (const one of found) {
        check(one);
        expect(one).toEqual(found[0]);
      }
    },
    { timeout: 10_000 },
  );
}

test('a write at one is read at all, and so is a delete', async () => {
  expect((await door(0).apply(entity('a'), [text('x', 'one')])).body).toEqual({ created: true, tagsNum: 1 });
  await expectAlike((found) => expect(found['a'].tags).toEqual([text('x', 'one')]));
  expect((await door(1).apply(entity('a'), [text('y', 'two')])).body).toEqual({ created: false, tagsNum: 2 });
  await expectAlike((found) => expect(found['a'].tags).toEqual([text('y', 'two'), text('x', 'one')]));
  expect((await door(2).delete(entity('a'))).body).toEqual({ deleted: true });
  await expectAlike((found) => expect(found).toEqual({}));
});

test('what one missed while it was dead, a round brings; its delete is not undone', async () => {
  for (const id of ['kept', 'deleted']) await door(0).apply(entity(id), [text('x', 'before')]);
  await expectAlike((found) => expect(Object.keys(found).sort()).toEqual(['deleted', 'kept']));
  const place = replicas[2]?.ready.listen ?? '';
  await replicas[2]?.[Symbol.asyncDispose]();
  await door(0).apply(entity('kept'), [text('x', 'after')]);
  await door(1).apply(entity('new'), [text('x', 'new')]);
  expect((await door(1).delete(entity('deleted'))).body).toEqual({ deleted: true });
  await start(2, place);
  expect(Object.keys((await everywhere())[2]).sort()).toEqual(['deleted', 'kept']);
  await expectRound();
  await expectAlike((found) => {
    expect(Object.keys(found).sort()).toEqual(['kept', 'new']);
    expect(found['kept'].tags).toEqual([text('x', 'after')]);
  });
  // And it is written to again without anybody's doing.
  await door(2).apply(entity('new'), [text('y', 'back')]);
  await expectAlike((found) => expect(found['new'].tags).toEqual([text('y', 'back'), text('x', 'new')]));
});

test('writers at two replicas at once end alike everywhere', async () => {
  const writes = Array.from({ length: 60 }, (_, at) =>
    door(at % 2).apply(entity(`both-${at % 5}`), [text(`t${at}`, `${at}`)], { strategy: 'STRATEGY_REPLACE' }),
  );
  for (const { status } of await Promise.all(writes)) expect(status).toBe(200);
  await expectRound();
  await expectAlike((found) => {
    for (let at = 0; at < 5; at += 1) expect(found[`both-${at}`].tags).toHaveLength(1);
  });
});

test('what is on its way when a replica is told to stop still goes out', async () => {
  const ids = Array.from({ length: 50 }, (_, at) => `last-${at}`);
  await Promise.all(ids.map((id) => door(1).apply(entity(id), [text('x', id)])));
  replicas[1]?.signal('SIGTERM');
  expect(await replicas[1]?.ended).toMatchObject({ code: 0 });
  for (const at of [0, 2]) {
    const { body } = await door(at).query({ groups: ['app'], name: 'settings', ids });
    expect(body.properties).toHaveLength(50);
  }
});
