/** Live progress over a connection that breaks: who comes back and says what it had last misses no run. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunResource } from '../../src/admin/resources.ts';
import { Cluster, type Replica } from '../support/running-service.ts';

let cluster: Cluster;
let one: Replica;

beforeAll(async () => {
  cluster = await Cluster.create();
  await cluster.load('one', { a: 1 });
  one = await cluster.start('one');
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

interface ToldEvent {
  readonly id: string;
  readonly run: RunResource;
}

/** Reads events until one is as wanted, then goes away. */
async function events(
  headers: Readonly<Record<string, string>>,
  last: (run: RunResource) => boolean,
  opened: () => Promise<unknown>,
): Promise<ToldEvent[]> {
  const response = await fetch(`http://${one.admin}/v1/events`, { headers });
  expect(response.status).toBe(200);
  const told: ToldEvent[] = [];
  const begun = opened();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const [, id = '', data] = /^id: (\d+)\nevent: run\ndata: (.*)$/m.exec(part) ?? [];
      if (data !== undefined) told.push({ id, run: JSON.parse(data) as RunResource });
    }
    if (told.some(({ run }) => last(run))) break;
  }
  await begun;
  return told;
}

const ended = ({ state }: RunResource): boolean => state === 'ended';

test('runs that ended while nobody listened are told first, each once, before what happens next', async () => {
  const first = await events({}, ended, () => one.post('/v1/builds', { force: true }));
  const lastEventId = first.at(-1)?.id ?? '';
  const missed = await one.run('/v1/builds', { force: true });
  const again = await events(
    { 'last-event-id': lastEventId },
    ({ id }) => id === missed.id,
    async () => null,
  );
  expect(again.at(-1)?.run).toEqual(missed);
  // Who is new is told of what happens from now on only.
  const fresh = await events({}, ended, () => one.post('/v1/builds', { force: true }));
  expect(fresh.some(({ run }) => run.id === missed.id)).toBe(false);
});

test('an id that is none of ours is refused', async () => {
  expect(await one.get('/v1/events', { 'last-event-id': 'x' })).toMatchObject({
    status: 400,
    body: { code: 'bad-argument' },
  });
});
